"""Status calls through the relay: remembered, shared, asked within the budget, and applied like a poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from exporter.simulator import Fault, FaultKind, Life, Simulator
from tests.lab import account
from tests.raw_server import answering, response, saying, serving
from tests.relaying import KEY, Relaying, playing, relaying, simulated
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

ONE_A_SECOND = 0.999999
"""Less what floats lose at Unix times."""
QUICK: list[dict[str, Any]] = [{"first": "1s", "interval": "1s", "backoff": 1, "max_interval": "1s", "mature": "1m"}]
SLOW: list[dict[str, Any]] = [{"first": "1h", "interval": "1h", "max_interval": "6h"}]
DELIVERED = b'{ "messageId": "m1", "deliverystatus": "delivered", "cost": 0.50 }'


def calls(sim: Simulator, message_id: str = "m1") -> int:
    entry = sim.ledger.find("main", message_id)
    assert entry is not None
    return len(entry.arrivals or ())


async def track(it: Relaying, sim: Simulator, *states: tuple[float, str], message_id: str = "m1") -> None:
    sim.add(message_id, life=Life.scripted(list(states)))
    await it.lab.offer(message_id, channel="sms")


@in_virtual_time
async def test_an_answer_is_told_again_for_30_s_with_its_age() -> None:
    async with simulated() as (it, sim):
        sim.add("m1", life=Life.scripted([(0, "processing")]))
        fresh = await it.status("m1")
        assert (fresh.status, fresh.json["deliverystatus"], fresh.headers["Age"]) == (200, "processing", "0")
        await it.lab.wait(29)
        aged = await it.status("m1")
        assert (aged.body, aged.headers["Age"]) == (fresh.body, "29")
        assert aged.headers["Content-Type"] == fresh.headers["Content-Type"]
        assert calls(sim) == 1
        await it.lab.wait(1.5)
        assert (await it.status("m1")).headers["Age"] == "0"
        assert calls(sim) == 2
        assert it.shown("exporter_relay_requests", account="main", code="200") == 3
        assert it.shown("exporter_polls", account="main", result="unchanged") == 2


@in_virtual_time
async def test_a_final_answer_is_told_for_as_long_as_it_is_kept() -> None:
    async with simulated() as (it, sim):
        sim.add("m1", life=Life.scripted([(0, "delivered")]))
        await it.status("m1")
        await it.lab.wait(3_600)
        answer = await it.status("m1")
        assert (answer.json["deliverystatus"], answer.headers["Age"]) == ("delivered", "3600")
        assert calls(sim) == 1


async def test_the_answer_is_smsbats_own_bytes_and_type() -> None:
    told = response(200, DELIVERED, "Content-Type: application/json; charset=UTF-8\r\n")
    async with playing(told) as api, relaying(api.raw.url) as it:
        for _ in range(2):
            answer = await it.status("m1")
            assert (answer.body, answer.headers["Content-Type"]) == (DELIVERED, "application/json; charset=UTF-8")
        assert api.raw.targets == ["/bat/message/m1"]


@in_virtual_time
async def test_what_a_caller_asks_ends_a_message_as_a_poll_would() -> None:
    async with simulated(polling=SLOW, buckets=[1_000_000]) as (it, sim):
        it.poll()
        await track(it, sim, (0, "processing"), (5, "delivered"))
        await it.status("m1")
        assert it.lab.core.in_flight.get(it.lab.slot("m1")).polls == 1
        await it.lab.wait(40)
        assert (await it.status("m1")).json["deliverystatus"] == "delivered"
        await it.lab.settle()
        assert it.shown("messages_finished", outcome="delivered") == 1
        assert it.shown("time_to_delivery_seconds_count") == 1
        assert calls(sim) == 2
        assert len(it.lab.core.in_flight) == 0
        assert it.lab.core.desks["main"].budget.active == 0
        assert it.lab.core.desks["main"].queue.demand_per_second() == 0


@in_virtual_time
async def test_callers_that_poll_in_a_loop_cost_no_budget_while_the_exporter_polls(tmp_path: Path) -> None:
    async with simulated(tmp_path, polling=QUICK) as (it, sim):
        it.poll()
        await track(it, sim, (0, "processing"), (60, "delivered"))
        await it.lab.wait(3)
        before = calls(sim)
        seen = set()
        for _ in range(500):
            seen.add((await it.status("m1")).json["deliverystatus"])
            await it.lab.wait(0.2)
        assert seen == {"processing", "delivered"}
        polls = (it.shown("exporter_polls", result="changed") or 0) + (
            it.shown("exporter_polls", result="unchanged") or 0
        )
        assert calls(sim) == polls
        assert before > 1
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND


@in_virtual_time
async def test_callers_of_one_message_at_once_share_a_call() -> None:
    async with simulated() as (it, sim):
        sim.add("m1", life=Life.scripted([(0, "processing")]))
        answers = await asyncio.gather(*(it.status("m1") for _ in range(50)))
        assert {answer.status for answer in answers} == {200}
        assert calls(sim) == 1


@pytest.mark.parametrize("kind", [FaultKind.STATUS, FaultKind.HTML, FaultKind.RESET, FaultKind.TRUNCATED])
@in_virtual_time
async def test_no_message_is_asked_about_twice_within_a_second_by_callers_and_poller(
    tmp_path: Path, kind: FaultKind
) -> None:
    async with simulated(tmp_path, polling=QUICK, limits={"requests_per_second": 50}) as (it, sim):
        it.poll()
        sim.faults.set(Fault(kind=kind, share=0.5))
        await track(it, sim, (0, "processing"))
        sim.add("m2", life=Life.scripted([(0, "processing")]))

        async def ask(message_id: str) -> None:
            for _ in range(20):
                await it.status(message_id)
                await it.lab.wait(0.13)

        await asyncio.gather(*(ask(message_id) for message_id in ("m1", "m2", "m1", "m2")))
        await it.lab.wait(40)
        await asyncio.gather(*(ask(message_id) for message_id in ("m1", "m2")))
        assert calls(sim, "m2") >= 2
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        assert it.lab.core.desks["main"].budget.active == 0


@in_virtual_time
async def test_a_message_that_is_just_being_polled_is_not_asked_about_beside_that() -> None:
    async with simulated(polling=QUICK) as (it, sim):
        it.poll()
        sim.faults.set(Fault(kind=FaultKind.SLOW, share=1.0, delay_seconds=3.0))
        await track(it, sim, (0, "processing"))
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 1)
        answer = await it.status("m1")
        assert (answer.json["deliverystatus"], calls(sim)) == ("processing", 1)


@in_virtual_time
async def test_a_caller_who_waits_for_a_turn_is_told_what_the_poller_hears_meanwhile() -> None:
    async with simulated(polling=QUICK, not_found_grace="1h") as (it, sim):
        it.poll()
        await it.lab.offer("m1", channel="sms")
        await it.lab.wait(5.2)
        answer = await it.status("m1")
        assert (answer.status, answer.headers["Age"]) == (404, "0")
        await it.lab.wait(0.1)
        sim.add("m1", life=Life.scripted([(0, "processing")]))
        assert (await it.status("m1")).status == 200, "what it was told is not kept for others"


@in_virtual_time
async def test_a_poll_waits_for_the_call_of_a_caller() -> None:
    async with simulated(polling=QUICK) as (it, sim):
        sim.faults.set(Fault(kind=FaultKind.SLOW, share=1.0, delay_seconds=3.0))
        await track(it, sim, (0, "processing"))
        asking = asyncio.create_task(it.status("m1"))
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 1)
        it.poll()
        await it.lab.wait(2)
        assert it.lab.core.desks["main"].budget.active == 1
        assert (await asking).status == 200
        await it.lab.wait(10)
        assert calls(sim) > 1
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND


@in_virtual_time
async def test_calls_keep_to_the_accounts_budget_and_those_that_find_none_are_told_when() -> None:
    async with simulated(limits={"requests_per_second": 0.5, "burst": 2}) as (it, sim):
        for number in range(20):
            sim.add(f"m{number}")
        answers = await asyncio.gather(*(it.status(f"m{number}") for number in range(20)))
        statuses = [answer.status for answer in answers]
        assert 5 <= statuses.count(200) <= 2 + 6
        late = [answer for answer in answers if answer.status == 503]
        assert len(late) == 20 - statuses.count(200)
        assert all(1 <= int(answer.headers["Retry-After"]) <= 10 for answer in late)
        assert late[0].json["error"]["code"] == "no_budget"
        assert it.shown("exporter_relay_requests", code="503") == len(late)


@in_virtual_time
async def test_a_paused_account_is_not_waited_for_when_that_is_hopeless() -> None:
    async with simulated() as (it, sim):
        budget, now = it.lab.core.desks["main"].budget, it.lab.core.clock.now()
        budget.start(now)
        budget.finish(now, now, 429, 300.0)
        sim.add("m1")
        began = asyncio.get_running_loop().time()
        answer = await it.status("m1")
        assert asyncio.get_running_loop().time() - began < 5
        assert (answer.status, answer.headers["Retry-After"]) == (503, "300")
        assert calls(sim) == 0


@in_virtual_time
async def test_nothing_is_asked_while_the_store_cannot_take_it() -> None:
    async with simulated() as (it, sim):
        it.lab.core.desks["main"].budget.store_failed = True
        sim.add("m1")
        assert (await it.status("m1")).status == 503
        assert calls(sim) == 0


@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500, 503])
@in_virtual_time
async def test_an_error_comes_back_as_it_is_and_is_not_told_again(code: int) -> None:
    told = response(code, b"own words", "Content-Type: text/plain\r\nRetry-After: 2\r\n")
    found = response(200, DELIVERED)
    async with playing(told, found) as api, relaying(api.raw.url, loop_clock=True) as it:
        answer = await it.status("m1")
        assert (answer.status, answer.body, answer.headers["Retry-After"]) == (code, b"own words", "2")
        assert (await it.status("m1")).body == DELIVERED


@in_virtual_time
async def test_a_refusal_pauses_the_account_for_everybody() -> None:
    async with playing(response(401, b"")) as api, relaying(api.raw.url, loop_clock=True) as it:
        await it.status("m1")
        assert it.shown("exporter_account_paused", account="main", reason="unauthorized") == 1
        assert it.shown("exporter_polls", result="unauthorized") == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [(b"", "unreachable"), (b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{", "answer_cut_off")],
)
async def test_an_answer_that_does_not_come_is_a_502(answer: bytes, code: str) -> None:
    async with serving(saying(answer)) as api, relaying(api.url) as it:
        told = await it.status("m1")
        assert (told.status, told.json["error"]["code"]) == (502, code)
        assert len(api.requests) == 1


@in_virtual_time
async def test_an_answer_that_takes_too_long_is_a_502() -> None:
    async with serving(saying(then_close=False)) as api, relaying(api.url) as it:
        told = await it.status("m1")
        assert (told.status, told.json["error"]["code"]) == (502, "timeout")
        assert it.lab.core.desks["main"].budget.active == 0


async def test_an_answer_that_is_too_long_is_neither_cut_nor_kept() -> None:
    async with playing(response(200, b" " * 70_000)) as api, relaying(api.raw.url) as it:
        told = await it.status("m1")
        assert (told.status, told.json["error"]["code"]) == (502, "answer_too_large")


@pytest.mark.parametrize(
    "message_id",
    ["", ".m1", "a%2Fb", "a/b", "%2e%2e%2fx", "a%20b", "a%00", "%D1%8F", "a" * 129, "a" * 5_000, "a%0d%0ab"],
)
async def test_an_id_that_is_none_is_refused_and_never_reaches_smsbat(message_id: str) -> None:
    for headers in (KEY, {}, {"X-Authorization-Key": "foreign"}):
        async with playing(response()) as api, relaying(api.raw.url) as it:
            for prefix in ("", "/a/main"):
                answer = await it.status(message_id, headers, prefix)
                assert (answer.status, answer.json["error"]["code"]) == (400, "bad_message_id")
            assert api.raw.connections == 0


@pytest.mark.parametrize("headers", [{}, {"X-Authorization-Key": "foreign"}])
async def test_somebody_elses_call_is_forwarded_as_it_is_and_not_remembered(headers: dict[str, str]) -> None:
    told = response(200, DELIVERED, "X-Request-Id: 1\r\nSet-Cookie: a=b\r\n")
    async with playing(told) as api, relaying(api.raw.url) as it:
        for _ in range(2):
            answer = await it.status("m1", {**headers, "Cookie": "c"})
            assert (answer.body, answer.headers["X-Request-Id"]) == (DELIVERED, "1")
            assert not {"Age", "Set-Cookie"} & set(answer.headers)
        assert len(api.raw.requests) == 2
        assert api.raw.headers("X-Authorization-Key") == list(headers.values())
        assert api.raw.headers("Cookie") == []
        assert it.shown("exporter_relay_requests", account="other", code="200") == 2


async def test_what_one_account_may_see_nobody_else_sees() -> None:
    async with playing(response(200, DELIVERED), response(404)) as api, relaying(api.raw.url) as it:
        assert (await it.status("m1")).status == 200
        for headers in ({}, {"X-Authorization-Key": "foreign"}):
            assert (await it.status("m1", headers)).status == 404


async def test_the_accounts_credentials_are_used_when_the_caller_may() -> None:
    relay = {"use_account_credentials": True}
    async with playing(response(200, DELIVERED)) as api, relaying(api.raw.url, relay=relay) as it:
        for prefix in ("", "/a/main"):
            assert (await it.status("m1", {}, prefix)).headers["Age"] == "0"
        assert (len(api.raw.requests), api.raw.headers("X-Authorization-Key")) == (1, ["key"])


async def test_an_account_is_asked_at_its_own_address() -> None:
    async with playing(response(200, DELIVERED)) as one, playing(response(200, DELIVERED)) as two:
        other = {"auth": {"method": "header", "api_key": "other"}}
        accounts = [account(base_url=one.raw.url), account("two", base_url=two.raw.url, **other)]
        async with relaying("", accounts=accounts) as it:
            await it.status("m1", {"X-Authorization-Key": "other"})
            await it.status("m2", {"X-Authorization-Key": "other"}, "/a/two")
            assert (one.raw.requests, two.raw.targets) == ([], ["/bat/message/m1", "/bat/message/m2"])


@in_virtual_time
async def test_an_account_that_moves_is_asked_anew() -> None:
    async with (
        playing(response(200, DELIVERED)) as one,
        playing(response(404)) as two,
        relaying(one.raw.url, loop_clock=True) as it,
    ):
        assert (await it.status("m1")).status == 200
        it.reload(polling=QUICK)
        assert (await it.status("m1")).status == 200
        it.reload(accounts=[account(base_url=two.raw.url)])
        assert (await it.status("m1")).status == 404


@in_virtual_time
async def test_a_reload_drops_calls_under_way_and_their_messages_are_polled_on(tmp_path: Path) -> None:
    async with simulated(tmp_path, polling=QUICK) as (it, sim):
        sim.faults.set(Fault(kind=FaultKind.SLOW, share=1.0, delay_seconds=5.0))
        await track(it, sim, (0, "delivered"))
        asking = asyncio.create_task(it.status("m1"))
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 1)
        await it.relay.hush()
        it.reload()
        it.poll()
        answer = await asking
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        await it.lab.until(lambda: it.shown("messages_finished") == 1)
        assert calls(sim) == 2
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        assert it.lab.core.desks["main"].budget.active == 0


@in_virtual_time
async def test_a_message_whose_call_was_dropped_waits_for_its_next_poll() -> None:
    async with simulated(polling=QUICK) as (it, sim):
        sim.faults.set(Fault(kind=FaultKind.SLOW, share=1.0, delay_seconds=5.0, max_calls=1))
        await track(it, sim, (0, "delivered"))
        asking = asyncio.create_task(it.status("m1"))
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 1)
        await it.relay.hush()
        it.poll()
        await it.lab.until(lambda: it.shown("messages_finished") == 1)
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        await asking


@in_virtual_time
async def test_polls_that_nobody_told_the_relay_of_count_too() -> None:
    async with simulated(polling=SLOW, buckets=[1_000_000]) as (it, sim):
        await track(it, sim, (0, "processing"))
        await it.status("m1")
        it.relay.follow({}, it.lab.core.config)
        it.crew.on_answer = None
        it.lab.reload(polling=[{**QUICK[0], "timeout": "1h"}])
        it.poll()
        await it.lab.until(lambda: calls(sim) == 3 and not it.lab.core.desks["main"].budget.active)
        await it.crew.stop()
        it.relay.follow(it.relay.lines(it.lab.core.config), it.lab.core.config)
        assert (await it.status("m1")).status == 200
        assert calls(sim) == 4
        assert sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND


async def test_somebody_elses_call_outlives_a_reload_that_takes_the_account_away() -> None:
    came, opened = asyncio.Event(), asyncio.Event()

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await opened.wait()
        writer.write(response(200, DELIVERED))

    async with serving(handle) as api, relaying(api.url) as it:
        asking = asyncio.create_task(it.status("m1", {"X-Authorization-Key": "foreign"}))
        await came.wait()
        it.reload(accounts=[account("another", base_url=api.url)])
        await it.lab.turn()
        opened.set()
        assert (await asking).body == DELIVERED


@in_virtual_time
async def test_pollers_that_stop_leave_the_calls_of_callers_booked() -> None:
    async with simulated(polling=QUICK) as (it, sim):
        sim.faults.set(Fault(kind=FaultKind.SLOW, share=1.0, delay_seconds=5.0))
        await track(it, sim, (0, "processing"))
        it.poll()
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 1)
        sim.add("m2", life=Life.scripted([(0, "processing")]))
        asking = asyncio.create_task(it.status("m2"))
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.active == 2)
        await it.crew.stop()
        assert it.lab.core.desks["main"].budget.active == 1
        assert (await asking).status == 200
        assert it.lab.core.desks["main"].budget.active == 0


@in_virtual_time
async def test_a_message_without_a_place_gets_one_before_it_is_asked_about(tmp_path: Path) -> None:
    async with simulated(tmp_path, polling=SLOW) as (it, sim):
        await track(it, sim, (0, "processing"))
        it.lab.core.placing.begin()
        asking = asyncio.create_task(it.status("m1"))
        await it.lab.wait(1)
        assert calls(sim) == 0
        it.lab.place()
        assert (await asking).status == 200
        assert it.lab.core.desks["main"].queue.demand_per_second() > 0


async def test_a_head_request_is_no_status_call() -> None:
    async with serving(answering()) as api, relaying(api.url) as it:
        assert (await it.call("HEAD", "/bat/message/m1", headers=KEY)).status == 405
        assert api.connections == 0

"""Polling the simulated API over loopback, in virtual time: to the end of each message, and carefully."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from exporter.columns import ENDED
from exporter.crew import Crew
from exporter.simulator import Fault, FaultKind, Life, SimAccount, Simulator
from tests.lab import Lab, account
from tests.virtual_time import LoopClock, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

QUICK = [{"first": "1s", "interval": "1s", "backoff": 1, "max_interval": "1s", "mature": "1m", "timeout": "5m"}]
ONE_A_SECOND = 0.999999
"""Less what floats lose at Unix times."""


class Bench:
    """A core, the poller of its account, and the API that it polls."""

    def __init__(self, lab: Lab, sim: Simulator, clock: LoopClock) -> None:
        self.lab, self.sim, self.clock = lab, sim, clock
        self.crew = Crew(lab.core, lambda _: None)

    def start(self) -> None:
        config = self.lab.core.config
        self.crew.start(self.crew.clients(config), config)

    async def send(self, *ids: str, states: tuple[tuple[float, str], ...], cost: str | None = None) -> None:
        for each in ids:
            self.sim.add(each, life=Life.scripted(list(states), cost=cost))
        await self.lab.offer(*ids, channel="sms")

    async def until_ended(self, count: int) -> None:
        await self.lab.until(lambda: (self.lab.shown("messages_finished") or 0) >= count)

    def calls(self, message_id: str) -> list[float]:
        entry = self.sim.ledger.find("main", message_id)
        assert entry is not None
        return list(entry.arrivals or ())


@asynccontextmanager
async def bench(path: Path, **given: Any) -> AsyncIterator[Bench]:  # noqa: ANN401
    clock = LoopClock()
    unlimited = SimAccount(name="main", api_key="key", requests_per_second=None)
    sim = Simulator(accounts=[unlimited], clock=clock)
    own = {"base_url": await sim.start(), **given.pop("limits", {})}
    lab = Lab(path, **{"accounts": [account("main", **own)], "polling": QUICK, "buckets": [1_000], **given})
    lab.runs_by = clock
    async with AsyncExitStack() as opened:
        opened.push_async_callback(sim.close)
        made = Bench(await opened.enter_async_context(lab), sim, clock)
        opened.push_async_callback(made.crew.stop)
        made.start()
        yield made


@in_virtual_time
async def test_a_message_is_polled_to_its_end_and_then_left_alone(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        await it.send("m1", states=((0, "scheduled"), (1.5, "processing"), (3.2, "delivered")), cost="0.5")
        await it.until_ended(1)
        assert it.lab.shown("messages_finished", outcome="delivered") == 1
        assert it.lab.shown("cost") == 0.5
        assert it.lab.shown("exporter_polls", result="changed") == 3
        assert it.lab.shown("exporter_polls", result="unchanged") == 1
        assert 3.2 < (it.lab.shown("time_to_delivery_seconds_sum") or 0) < 4.5
        assert it.sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        await it.lab.wait(600)
        assert len(it.calls("m1")) == 4


@in_virtual_time
async def test_the_last_poll_starts_at_the_deadline_and_ends_the_message(tmp_path: Path) -> None:
    polling = [{**QUICK[0], "timeout": "10500ms"}]
    async with bench(tmp_path, polling=polling) as it:
        sent_at = it.clock.now()
        await it.send("m1", states=((0, "processing"),))
        await it.until_ended(1)
        assert it.lab.shown("messages_finished", outcome="timeout") == 1
        assert it.calls("m1")[-1] >= sent_at + 10.5


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.CUT, FaultKind.STATUS]
)
@in_virtual_time
async def test_a_message_outlives_faults_and_is_never_asked_about_twice_within_a_second(
    tmp_path: Path, kind: FaultKind
) -> None:
    async with bench(tmp_path) as it:
        it.sim.faults.set(Fault(kind=kind, share=0.5))
        ids = [f"m{number}" for number in range(20)]
        await it.send(*ids, states=((0, "processing"), (10, "delivered")))
        await it.lab.wait(30)
        it.sim.faults.clear()
        await it.until_ended(20)
        assert it.lab.shown("messages_finished", outcome="delivered") == 20
        assert it.sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        results = {"reset": "connection_error", "status": "server_error"}
        assert (it.lab.shown("exporter_polls", result=results.get(kind.value, "unreadable")) or 0) > 10


@pytest.mark.parametrize(("code", "reason"), [(401, "unauthorized"), (403, "forbidden")])
@in_virtual_time
async def test_refused_credentials_pause_all_but_one_careful_call_at_a_time(
    tmp_path: Path, code: int, reason: str
) -> None:
    async with bench(tmp_path) as it:
        ids = [f"m{number}" for number in range(10)]
        await it.send(*ids, states=((0, "processing"), (50, "delivered")))
        it.sim.faults.set(Fault(kind=FaultKind.STATUS, status=code))
        await it.lab.wait(10)
        assert it.lab.shown("exporter_account_paused", reason=reason) == 1
        arrivals = it.sim.ledger.account_arrivals["main"]
        before = len(arrivals)
        await it.lab.wait(120)
        careful = arrivals[before:]
        assert 2 <= len(careful) <= 12
        assert len({each for each in ids for at in it.calls(each) if at in careful}) > 1, "it rotates over the messages"
        assert all(later - at >= ONE_A_SECOND for at, later in pairwise(careful))
        it.sim.faults.clear()
        await it.until_ended(10)
        assert it.lab.shown("messages_finished", outcome="delivered") == 10
        assert it.lab.shown("exporter_account_paused", reason=reason) == 0


@in_virtual_time
async def test_one_forbidden_message_does_not_stop_the_rest(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        it.sim.faults.set(Fault(kind=FaultKind.STATUS, status=403, message_id="bad"))
        await it.send("bad", "m1", "m2", "m3", states=((0, "processing"), (20, "delivered")))
        await it.until_ended(3)
        assert it.lab.shown("messages_finished", outcome="delivered") == 3


@in_virtual_time
async def test_a_new_secret_in_the_file_ends_the_pause(tmp_path: Path) -> None:
    secret = tmp_path / "api-key"
    secret.write_text("old")
    auth = {"method": "header", "api_key_file": str(secret)}
    async with bench(tmp_path, limits={"auth": auth}) as it:
        await it.send("m1", states=((0, "delivered"),))
        await it.lab.wait(20)
        assert it.lab.shown("exporter_account_paused", reason="unauthorized") == 1
        assert not it.lab.shown("messages_finished")
        secret.write_text("key")
        await it.until_ended(1)


@in_virtual_time
async def test_429_slows_the_whole_account_down(tmp_path: Path) -> None:
    async with bench(tmp_path) as it:
        ids = [f"m{number}" for number in range(10)]
        await it.send(*ids, states=((0, "processing"), (90, "delivered")))
        await it.lab.wait(5)
        it.sim.faults.set(Fault(kind=FaultKind.STATUS, status=429, retry_after=20, max_calls=1))
        await it.lab.until(lambda: it.lab.shown("exporter_polls", result="rate_limited") == 1)
        assert it.lab.shown("exporter_account_paused", reason="rate_limited") == 1
        arrivals = it.sim.ledger.account_arrivals["main"]
        limited_at, before = it.clock.now(), len(arrivals)
        await it.lab.wait(19)
        assert len(arrivals) - before <= 9, "only what was under way already"
        await it.lab.wait(6)
        assert (it.lab.shown("exporter_request_budget") or 0) < 10
        assert all(not limited_at + 1 < at < limited_at + 19.9 for at in arrivals)
        await it.until_ended(10)


@in_virtual_time
async def test_calls_keep_to_the_rate_and_the_burst(tmp_path: Path) -> None:
    async with bench(tmp_path, limits={"requests_per_second": 5, "burst": 3}) as it:
        ids = [f"m{number}" for number in range(40)]
        await it.send(*ids, states=((0, "processing"), (10, "delivered")))
        await it.until_ended(40)
        arrivals = it.sim.ledger.account_arrivals["main"]
        for seconds in (1, 2, 5):
            most = max(sum(at <= other < at + seconds for other in arrivals) for at in arrivals)
            assert most <= 3 + 5 * seconds + 1
        assert it.sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND


async def steps_of_a_poll(it: Bench, most: int) -> int:
    """Let the loop turn at most so often, until the message that is due has ended; returns how often it did."""
    for step in range(most):
        slot = it.lab.core.in_flight.find("main", "m1")
        if slot is None or it.lab.core.in_flight.columns.has(slot, ENDED):
            return step
        await asyncio.sleep(0)
    return most


async def cancelled_after(path: Path, most: int) -> int:
    """Cancel the poller so many turns of the loop into its poll, and see the message end all the same."""
    async with bench(path) as it:
        await it.send("m1", states=((0, "delivered"),))
        await it.crew.stop()
        await it.lab.wait(10)
        it.start()
        steps = await steps_of_a_poll(it, most)
        await it.crew.stop()
        it.lab.reload()
        slot, desk = it.lab.core.in_flight.find("main", "m1"), it.lab.core.desks["main"]
        assert desk.budget.active == 0
        if slot is not None and not it.lab.core.in_flight.columns.has(slot, ENDED):
            assert it.lab.core.in_flight.columns.due_at[slot] >= 0, "it waits for its next poll"
            it.start()
        await it.until_ended(1)
        assert it.lab.shown("messages_finished", outcome="delivered") == 1
        assert it.sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND
        return steps


@in_virtual_time
async def test_a_poll_that_is_cancelled_anywhere_leaves_its_message_queued(tmp_path: Path) -> None:
    needed = await cancelled_after(tmp_path / "all", 10_000)
    assert 5 < needed < 1_000
    for steps in range(needed):
        await cancelled_after(tmp_path / str(steps), steps)


@in_virtual_time
async def test_a_bug_of_ours_costs_neither_the_worker_nor_the_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path, limits={"max_concurrency": 1}) as it:
        apply, broken = it.lab.core.tracker.apply, iter([True, False])

        def fails_once(*args: object) -> object:
            if next(broken, False):
                raise ZeroDivisionError
            return apply(*args)  # type: ignore[arg-type]

        it.lab.core.tracker.apply = fails_once  # type: ignore[assignment,method-assign]
        await it.send("m1", states=((0, "delivered"),))
        await it.until_ended(1)
        assert "ZeroDivisionError" in caplog.text
        assert "m1" not in caplog.text
        assert it.lab.core.desks["main"].budget.active == 0

"""Sends through the relay to the simulated API: what is tracked, under which account, and what the caller gets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from exporter.store import StoreError
from tests.lab import account
from tests.raw_server import response, serving
from tests.relaying import KEY, playing, relaying, simulated
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BASIC = {"Authorization": "Basic dXNlcjpwOnc="}
FOREIGN = {"X-Authorization-Key": "foreign"}
ACCEPTED = b'{"messages": [{"messageId": "m1", "status": "accepted"}, {"messageId": "m2", "status": "Accepted"}]}'


@in_virtual_time
async def test_an_accepted_message_is_tracked_before_the_answer_is_passed_back() -> None:
    async with simulated(labels={"campaign": {}}) as (it, _):
        headers = {**KEY, "traceparent": TRACEPARENT, "X-Smsbat-Labels": "campaign=spring,team=red"}
        answer = await it.send({"type": "viber_otp", "ttl": 300}, headers=headers)
        (entry,) = answer.json["messages"]
        assert (answer.status, entry["status"]) == (200, "accepted")
        message = it.lab.core.in_flight.get(it.lab.slot(entry["messageId"]))
        assert (message.ttl, message.traceparent, message.labels) == (300, TRACEPARENT, (("campaign", "spring"),))
        assert it.shown("messages_accepted", account="main", channel="viber_otp", campaign="spring") == 1
        assert it.shown("exporter_intake", source="relay", result="accepted") == 1
        assert it.shown("exporter_relay_requests", account="main", code="200") == 1
        assert it.shown("exporter_relay_untracked") == 0
        assert it.shown("exporter_labels_ignored") == 1


@in_virtual_time
async def test_thousands_of_messages_are_one_send(tmp_path: Path) -> None:
    async with simulated(tmp_path) as (it, _):
        answer = await it.send(*({"type": "sms" if place % 2 else "rcs"} for place in range(5_000)))
        assert len(answer.json["messages"]) == 5_000
        assert it.shown("messages_accepted", channel="sms") == it.shown("messages_accepted", channel="rcs") == 2_500


@in_virtual_time
async def test_messages_that_smsbat_does_not_take_count_as_rejected() -> None:
    async with simulated() as (it, _):
        answer = await it.send({}, {"to": ""}, {"type": ""})
        assert [entry["status"] for entry in answer.json["messages"]] == ["accepted", "rejected", "rejected"]
        assert it.shown("exporter_intake", source="relay", result="accepted") == 1
        assert it.shown("exporter_intake", source="relay", result="rejected") == 2
        assert it.shown("exporter_relay_untracked") == 0


@pytest.mark.parametrize(
    ("path", "headers", "status", "account_", "untracked"),
    [
        ("/bat/messagelist", KEY, 200, "main", 0),
        ("/bat/messagelist", {"Authorization": "Basic QDprZXk="}, 200, "main", 0),
        ("/bat/messagelist", BASIC, 200, "two", 0),
        ("/a/two/bat/messagelist", BASIC, 200, "two", 0),
        ("/a/main/bat/messagelist", KEY, 200, "main", 0),
        ("/a/main/bat/messagelist", BASIC, 200, None, 1),
        ("/a/two/bat/messagelist", KEY, 200, None, 1),
        ("/bat/messagelist", FOREIGN, 401, None, 0),
        ("/bat/messagelist", {}, 401, None, 0),
        ("/a/two/bat/messagelist", {}, 401, None, 0),
    ],
)
@in_virtual_time
async def test_a_send_is_tracked_under_the_account_whose_credentials_it_carries(
    path: str, headers: dict[str, str], status: int, account_: str | None, untracked: int
) -> None:
    async with simulated() as (it, _):
        assert (await it.send({}, path=path, headers=headers)).status == status
        await it.lab.settle()
        assert (it.shown("messages_accepted", account=account_ or "main") or 0) == (account_ is not None)
        assert len(it.lab.core.in_flight) == (account_ is not None)
        assert it.shown("exporter_relay_untracked") == untracked
        assert it.shown("exporter_relay_requests", account=account_ or "other", code=str(status)) == 1


@pytest.mark.parametrize(
    ("path", "headers", "status", "account_"),
    [
        ("/bat/messagelist", {}, 200, "main"),
        ("/a/two/bat/messagelist", {}, 200, "two"),
        ("/bat/messagelist", {"Connection": "X-Authorization-Key"}, 200, "main"),
        ("/bat/messagelist", FOREIGN, 401, "other"),
    ],
)
@in_virtual_time
async def test_the_accounts_own_credentials_are_used_when_the_caller_has_none_and_may(
    path: str, headers: dict[str, str], status: int, account_: str
) -> None:
    async with simulated(relay={"use_account_credentials": True}) as (it, _):
        assert (await it.send({}, path=path, headers=headers)).status == status
        assert it.shown("exporter_relay_requests", account=account_, code=str(status)) == 1
        assert len(it.lab.core.in_flight) == (status == 200)


async def test_a_send_goes_to_the_account_that_it_means() -> None:
    async with playing(response(200, ACCEPTED)) as one, playing(response(200, ACCEPTED)) as two:
        key = {"auth": {"method": "header", "api_key": "other"}}
        accounts = [account(base_url=one.raw.url), account("two", base_url=two.raw.url, **key)]
        async with relaying("", accounts=accounts) as it:
            await it.send({}, {}, headers={"X-Authorization-Key": "other"})
            assert (len(one.bodies), len(two.bodies)) == (0, 1)
            await it.send({}, {}, headers=FOREIGN)
            assert (len(one.bodies), len(two.bodies)) == (1, 1)
            await it.send({}, {}, headers=FOREIGN, path="/a/two/bat/messagelist")
            assert (len(one.bodies), len(two.bodies)) == (1, 2)
            assert two.raw.headers("X-Authorization-Key") == ["foreign"]
            assert it.shown("exporter_relay_untracked") == 4


@pytest.mark.parametrize("name", ["nobody", "MAIN", "main%2F..", "a" * 5_000])
async def test_an_account_that_is_not_configured_is_a_404_and_sent_nowhere(name: str) -> None:
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:
        answer = await it.send({}, path=f"/a/{name}/bat/messagelist")
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
        assert (await it.status("m1", prefix=f"/a/{name}")).status == 404
        assert api.raw.connections == 0
        assert it.shown("exporter_relay_requests", account="other", code="404") == 2


async def test_an_answer_that_cannot_be_read_comes_back_and_its_messages_are_counted() -> None:
    async with playing(response(200, b"<html>")) as api, relaying(api.raw.url) as it:
        assert (await it.send({}, {}, {})).body == b"<html>"
        assert it.shown("exporter_relay_untracked") == 3


async def test_ids_that_are_none_are_not_tracked_and_counted() -> None:
    body = b'{"messages": [{"messageId": "../m1", "status": "accepted"}, {"status": "accepted"}]}'
    async with playing(response(200, body)) as api, relaying(api.raw.url) as it:
        assert (await it.send({}, {})).body == body
        assert it.shown("exporter_relay_untracked") == 2
        assert it.shown("exporter_intake", source="relay", result="rejected") == 2


async def test_sends_succeed_when_there_is_no_room_to_track_them() -> None:
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url, intake={"max_in_flight": 1}) as it:
        assert (await it.send({}, {})).body == ACCEPTED
        assert it.shown("exporter_relay_untracked") == 2
        assert len(it.lab.core.in_flight) == 0


async def test_sends_succeed_when_the_store_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:

        def fails(_: object) -> set[tuple[str, str]]:
            raise StoreError("the disk is gone")

        monkeypatch.setattr(it.lab.store, "remembered", fails)
        assert (await it.send({}, {})).body == ACCEPTED
        assert it.shown("exporter_relay_untracked") == 2


async def test_a_store_that_hangs_holds_up_no_answer_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.intake.relay.carrying._LONGEST_COMMIT_SECONDS", 0.01)
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:
        await it.lab.settle()
        it.lab.store.open.clear()
        assert (await it.send({}, {})).body == ACCEPTED
        assert it.shown("messages_accepted") is None
        it.lab.store.open.set()
        await it.lab.until(lambda: it.shown("messages_accepted") == 2)
        assert it.shown("exporter_relay_untracked") == 0


async def test_a_store_that_is_known_to_fail_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.intake.relay.carrying._LONGEST_COMMIT_SECONDS", 3_600.0)
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:
        it.lab.store.fails = 1_000_000
        it.lab.core.committer.soon()
        await it.lab.until(lambda: it.lab.core.desks["main"].budget.store_failed)
        async with asyncio.timeout(60):
            assert (await it.send({}, {})).body == ACCEPTED
        it.lab.store.fails = 0
        await it.lab.until(lambda: it.shown("messages_accepted") == 2)


async def test_what_waits_for_a_store_that_hangs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.intake.relay.carrying._LONGEST_COMMIT_SECONDS", 0.01)
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url, intake={"max_in_flight": 3}) as it:
        await it.lab.settle()
        it.lab.store.open.clear()
        await it.send({}, {})
        await it.send({}, {})
        assert it.shown("exporter_relay_untracked") == 2
        it.lab.store.open.set()


@in_virtual_time
async def test_the_same_answer_twice_is_a_duplicate() -> None:
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:
        await it.send({}, {})
        await it.send({}, {})
        assert it.shown("exporter_intake", source="relay", result="duplicate") == 2
        assert it.shown("exporter_relay_untracked") == 0


class Gate:
    """An API that answers sends once it is told to."""

    def __init__(self) -> None:
        self.came, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.set()
        await self.opened.wait()
        writer.write(response(200, ACCEPTED))


async def test_a_caller_that_leaves_changes_nothing() -> None:
    gate = Gate()
    async with serving(gate) as api, relaying(api.url) as it:
        sending = asyncio.create_task(it.send({}, {}))
        await gate.came.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        gate.opened.set()
        await it.lab.until(lambda: it.shown("messages_accepted") == 2)


async def test_a_send_under_way_is_tracked_before_the_exporter_ends() -> None:
    gate = Gate()
    async with serving(gate) as api, relaying(api.url) as it:
        sending = asyncio.create_task(it.send({}, {}))
        await gate.came.wait()
        closing = asyncio.create_task(it.relay.close())
        await it.lab.turn()
        gate.opened.set()
        await closing
        assert it.shown("messages_accepted") == 2
        assert (await sending).body == ACCEPTED


@pytest.mark.parametrize("relay", [{}, None])
async def test_a_send_under_way_outlives_a_reload_that_takes_its_account_away(relay: dict[str, object] | None) -> None:
    gate = Gate()
    async with serving(gate) as api, relaying(api.url) as it:
        sending = asyncio.create_task(it.send({}, {}))
        await gate.came.wait()
        it.reload(accounts=[account("another", base_url=api.url)], relay=relay)
        await it.lab.turn()
        gate.opened.set()
        assert (await sending).body == ACCEPTED
        assert it.shown("exporter_relay_untracked") == 2


async def test_a_reload_takes_over_accounts_and_switches() -> None:
    async with playing(response(200, ACCEPTED)) as api, relaying(api.raw.url) as it:
        assert (await it.send({}, {}, headers={})).status == 200
        assert api.raw.headers("X-Authorization-Key") == []
        it.reload(relay={"use_account_credentials": True})
        await it.send({}, {}, headers={})
        assert api.raw.headers("X-Authorization-Key") == ["key"]
        assert api.raw.connections == 1, "an account that stays keeps its connections"
        it.reload(relay=None)
        assert (await it.send({}, {})).status == 404
        it.reload(relay={})
        assert (await it.send({}, {})).status == 200


async def test_a_key_in_a_file_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    own = account()
    own |= {"auth": {"method": "header", "api_key_file": str(file)}}
    async with (
        playing(response(200, ACCEPTED)) as api,
        relaying("", accounts=[{**own, "base_url": api.raw.url}]) as it,
    ):
        assert (await it.send({}, {}, headers={"X-Authorization-Key": "old"})).status == 200
        file.write_text("newer")
        it.lab.advance(1)
        await it.send({}, {}, headers={"X-Authorization-Key": "newer"})
        assert it.shown("exporter_intake", source="relay", result="duplicate") == 2
        assert it.shown("exporter_relay_untracked") == 0

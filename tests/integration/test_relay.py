"""The relay of a real process: an application that only changes its base URL, SMSBat simulated behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from exporter.simulator import ChannelProfile, Delay, Profile, Simulator
from tests.integration.configs import EVERY_SECOND, KEY, account, config
from tests.integration.process import PATIENCE_SECONDS, Exporter, serving, write_config
from tests.integration.simulated import caller, calls
from tests.raw_server import response
from tests.relaying import playing

PHONE: Final = "+380671234567"
TEXT: Final = "your code is 4711"
SECOND: Final = "key-of-the-second"
STRANGER: Final = "key-of-a-stranger"
OWN: Final = {"X-Authorization-Key": KEY}
SENT: Final = b'{"messages":[{"to":"+380671234567","type":"sms","text":"your code is 4711"}]}'
FINISHED: Final = "smsbat_messages_finished_total"
ACCEPTED: Final = "smsbat_messages_accepted_total"
TOLD: Final = b'{"messagelistId":1,"messages":[{"messageId":"m1","status":"accepted","to":"+380671234567"}]}'
TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PROFILE: Final = Profile(
    # An rcs message never ends.
    channels={
        "sms": ChannelProfile((Delay(1.0, 1.0, 0.1),), undeliverable=0, permanent_error=0),
        "rcs": ChannelProfile(()),
    },
    time_scale=0.1,
)
LIVES: Final = 5
SENDS_A_LIFE: Final = 20
MESSAGES_A_SEND: Final = 5
UNTRACKED: Final = "smsbat_exporter_relay_untracked_total"
REQUESTS: Final = "smsbat_exporter_relay_requests_total"


class Shop:
    """An application that sends and asks through the relay."""

    def __init__(self, exporter: Exporter, session: aiohttp.ClientSession, simulator: Simulator) -> None:
        self.exporter = exporter
        self.simulator = simulator
        self._session = session

    async def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = OWN
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Make a call; return status, body and headers of the answer."""
        own = {"Content-Type": "application/json"} if body is not None else {}
        url = await self.exporter.api_url() + path
        async with self._session.request(method, url, data=body, headers={**own, **headers}) as answer:
            return answer.status, json.loads(await answer.read()), answer.headers.copy()

    async def send(
        self, *messages: Mapping[str, object], headers: Mapping[str, str] = OWN, prefix: str = ""
    ) -> list[str]:
        """Send messages; return their ids, all accepted."""
        whole = [{"to": PHONE, "type": "sms", "text": TEXT, **message} for message in messages]
        body = json.dumps({"messages": whole}).encode()
        status, told, _ = await self.call("POST", f"{prefix}/bat/messagelist", body, headers)
        assert status == 200, told
        assert {each["status"] for each in told["messages"]} == {"accepted"}
        return [each["messageId"] for each in told["messages"]]

    async def ended(self, message_id: str) -> Any:  # noqa: ANN401
        """Wait until a message has ended; return what the exporter knows of it."""
        status, known, _ = await self.call("GET", f"/api/v1/messages/{message_id}?wait={PATIENCE_SECONDS:.0f}s")
        assert (status, known["final"]) == (200, True)
        return known


@contextlib.asynccontextmanager
async def shopping(folder: Path, simulator: Simulator, **settings: Any) -> AsyncIterator[Shop]:  # noqa: ANN401
    """Run an exporter with a relay and two accounts; nothing personal and no secret may be in its log."""
    auth = {"method": "header", "api_key": SECOND}
    accounts = [account(simulator.url), account(simulator.url, "second", auth=auth)]
    given = {"accounts": accounts, "relay": {}, "labels": {"campaign": {}}, **settings}
    write_config(folder, config(**{name: value for name, value in given.items() if value is not None}))
    async with aiohttp.ClientSession() as session, serving(folder, "--log.level=debug") as exporter:
        await exporter.ready()
        yield Shop(exporter, session, simulator)
        await exporter.kill()
    assert not [word for word in (PHONE[1:], TEXT, KEY, SECOND, STRANGER) if word in exporter.log]
    assert "level=error" not in exporter.log


@contextlib.asynccontextmanager
async def smsbat() -> AsyncIterator[Simulator]:
    """Simulate SMSBat with two accounts that the exporter knows and one that it does not."""
    callers = [caller(), caller("second", SECOND), caller("stranger", STRANGER)]
    simulator = Simulator(accounts=callers, profile=PROFILE)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.close()


async def test_what_is_sent_with_an_accounts_credentials_is_tracked_with_all_that_the_request_says(
    tmp_path: Path,
) -> None:
    polling = [{**EVERY_SECOND, "timeout": "1h"}]
    async with smsbat() as simulator, shopping(tmp_path, simulator, polling=polling, ttl_grace="1ms") as shop:
        headers = {**OWN, "X-Smsbat-Labels": "campaign=spring, team=red"}
        quick, short, open_ = await shop.send({}, {"type": "rcs", "ttl": 1}, {"type": "rcs"}, headers=headers)
        (second,) = await shop.send({}, headers={"X-Authorization-Key": SECOND})
        known = [await shop.ended(each) for each in (quick, short, second)]
        assert [(each["outcome"], each["channel"], each["account"]) for each in known] == [
            ("delivered", "sms", "main"),
            ("timeout", "rcs", "main"),
            ("delivered", "sms", "second"),
        ]
        assert (await shop.call("GET", f"/api/v1/messages/{open_}"))[1]["final"] is False
        scrape = await shop.exporter.scrape()
        assert scrape.sum(ACCEPTED, account="main", campaign="spring") == 3
        assert scrape.sum(FINISHED, campaign="spring", channel="sms", outcome="delivered") == 1
        assert scrape.sum(FINISHED, campaign="", account="second", outcome="delivered") == 1
        assert scrape.sum("smsbat_exporter_intake_total", source="relay", result="accepted") == 4
        assert scrape.sum("smsbat_exporter_labels_ignored_total") == 3
        assert scrape.sum(REQUESTS, account="main", code="200") == 1
        assert scrape.sum(UNTRACKED) == 0
        assert await shop.exporter.stop() == 0


async def test_who_has_no_credentials_borrows_the_accounts_where_that_is_allowed(tmp_path: Path) -> None:
    relay = {"use_account_credentials": True}
    async with smsbat() as simulator, shopping(tmp_path, simulator, relay=relay) as shop:
        (first,) = await shop.send({}, headers={})
        (second,) = await shop.send({}, headers={}, prefix="/a/second")
        assert (await shop.ended(first))["account"] == "main"
        assert (await shop.ended(second))["account"] == "second"
        status, told, _ = await shop.call("GET", f"/a/second/bat/message/{second}", headers={})
        assert (status, told["deliverystatus"]) == (200, "delivered")
        assert (await shop.call("GET", f"/a/third/bat/message/{second}", headers={}))[0] == 404
        assert await shop.exporter.stop() == 0


async def test_who_has_no_credentials_is_refused_by_smsbat_where_they_are_not_lent(tmp_path: Path) -> None:
    async with smsbat() as simulator, shopping(tmp_path, simulator) as shop:
        status, told, _ = await shop.call("POST", "/bat/messagelist", SENT, {})
        assert (status, told["error"]["message"]) == (401, "Authentication required")
        assert (await shop.exporter.scrape()).sum(REQUESTS, code="401") == 1
        assert await shop.exporter.stop() == 0


async def test_what_is_sent_with_a_strangers_credentials_is_forwarded_and_counted_and_not_tracked(
    tmp_path: Path,
) -> None:
    stranger = {"X-Authorization-Key": STRANGER}
    async with smsbat() as simulator, shopping(tmp_path, simulator) as shop:
        first, _ = await shop.send({}, {}, headers=stranger)
        assert simulator.ledger.find("stranger", first) is not None
        assert (await shop.call("GET", f"/api/v1/messages/{first}"))[0] == 404
        status, told, headers = await shop.call("GET", f"/bat/message/{first}", headers=stranger)
        assert (status, told["messageId"], "Age" in headers) == (200, first, False)
        scrape = await shop.exporter.scrape()
        assert scrape.sum(UNTRACKED) == 2
        assert scrape.sum(ACCEPTED) == 0
        assert scrape.sum(REQUESTS, account="other", code="200") == 2
        assert await shop.exporter.stop() == 0


async def test_callers_that_ask_in_a_loop_are_told_from_memory(tmp_path: Path) -> None:
    async with smsbat() as simulator, shopping(tmp_path, simulator) as shop:
        (message_id,) = await shop.send({})
        await shop.ended(message_id)
        before = calls(simulator)
        for _ in range(50):
            status, told, headers = await shop.call("GET", f"/bat/message/{message_id}")
            assert (status, told["messageId"], told["deliverystatus"]) == (200, message_id, "delivered")
            assert 0 <= int(headers["Age"]) < PATIENCE_SECONDS
        assert calls(simulator) == before
        status, told, _ = await shop.call("GET", "/bat/message/unknown-id")
        assert (status, told["error"]["message"]) == (404, "Message not found")
        assert await shop.exporter.stop() == 0


async def test_only_what_is_smsbats_goes_out_and_only_what_is_the_callers_comes_back(tmp_path: Path) -> None:
    told = response(200, TOLD, "Content-Type: application/json\r\nSet-Cookie: id=1\r\nX-Request-Id: 7\r\n")
    async with smsbat() as simulator, playing(told) as raw:
        simulated_elsewhere = [account(raw.raw.url)]
        async with shopping(tmp_path, simulator, accounts=simulated_elsewhere, api={"token": "t-1"}) as shop:
            given = {
                **OWN,
                "X-Exporter-Token": "t-1",
                "X-Smsbat-Labels": "campaign=a",
                "X-Smsbat-Other": "1",
                "baggage": "a=1",
                "Cookie": "a=1",
                "Forwarded": "for=10.0.0.1",
                "X-Forwarded-For": "10.0.0.1",
                "X-Own": "1",
                "Connection": "X-Own",
                "traceparent": TRACEPARENT,
            }
            status, _, headers = await shop.call("POST", "/bat/messagelist", SENT, given)
            assert (status, headers["X-Request-Id"], "Set-Cookie" in headers) == (200, "7", False)
            assert (await shop.call("POST", "/bat/messagelist", SENT, OWN))[0] == 401
            await shop.exporter.kill()
        sends = [head for head in raw.raw.requests if head.startswith(b"POST /bat/messagelist ")]
        names = {line.partition(b":")[0].decode().lower() for line in sends[0].split(b"\r\n")[1:] if line}
    assert len(sends) == 1
    assert raw.bodies[0] == SENT
    assert names == {
        *("host", "content-type", "content-length", "user-agent", "accept", "accept-encoding", "traceparent"),
        "x-authorization-key",
    }


async def test_an_smsbat_that_cannot_be_reached_is_a_502_with_a_clear_body(tmp_path: Path) -> None:
    nowhere = [account("http://127.0.0.1:1")]
    async with smsbat() as simulator, shopping(tmp_path, simulator, accounts=nowhere) as shop:
        status, told, _ = await shop.call("POST", "/bat/messagelist", SENT)
        assert (status, told) == (502, {"error": {"code": "unreachable", "message": "SMSBat cannot be reached"}})
        assert (await shop.call("GET", "/bat/message/m1"))[0] == 502
        assert (await shop.exporter.scrape()).sum(REQUESTS, account="main", code="502") == 2
        assert await shop.exporter.stop() == 0


async def sent_until_killed(shop: Shop) -> list[str]:
    """Send many times at once and kill the exporter at the first answer; return the ids of all that were answered."""
    sends = [asyncio.create_task(shop.send(*[{}] * MESSAGES_A_SEND)) for _ in range(SENDS_A_LIFE)]
    await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
    assert await shop.exporter.kill() == -signal.SIGKILL
    answers = await asyncio.gather(*sends, return_exceptions=True)
    assert not [answer for answer in answers if isinstance(answer, AssertionError)]
    return [each for answer in answers if isinstance(answer, list) for each in answer]


async def test_what_was_answered_before_kill_9_is_tracked_to_its_end_after_it(tmp_path: Path) -> None:
    sent: list[str] = []
    async with smsbat() as simulator:
        for _ in range(LIVES):
            async with shopping(tmp_path, simulator) as shop:
                sent += await sent_until_killed(shop)
        assert len(sent) >= LIVES * MESSAGES_A_SEND
        async with shopping(tmp_path, simulator) as shop:
            known = await asyncio.gather(*map(shop.ended, sent))
            assert {each["outcome"] for each in known} == {"delivered"}
            scrape = await shop.exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight") == 0)
            assert scrape.sum(FINISHED) == scrape.sum(ACCEPTED) >= len(sent)
            assert await shop.exporter.stop() == 0


async def test_the_relay_is_off_unless_it_is_configured(tmp_path: Path) -> None:
    async with smsbat() as simulator, shopping(tmp_path, simulator, relay=None) as shop:
        assert (await shop.call("POST", "/bat/messagelist", SENT))[0] == 404
        assert len(simulator.ledger.account_arrivals) == 0
        assert await shop.exporter.stop() == 0

"""The simulated API over HTTP: who may call, how often, what the clock changes, and that its ledger is honest."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections import defaultdict
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest

from exporter.simulator import (
    Latency,
    Life,
    SimAccount,
    Simulator,
    TotalKey,
    Truth,
    demo,
    never_ending,
    run,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = 1_800_000_000.0
KEY = {"X-Authorization-Key": "key-1"}


class HandClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


MAIN = SimAccount(name="main", api_key="key-1", username="user", password="päss:word", requests_per_second=None)
OTHER = SimAccount(name="other", api_key="key-2", requests_per_second=None)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@contextlib.asynccontextmanager
async def started(simulator: Simulator) -> AsyncIterator[Simulator]:
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.close()


@pytest.fixture
async def sim(clock: HandClock) -> AsyncIterator[Simulator]:
    async with started(Simulator(accounts=[MAIN, OTHER], clock=clock)) as simulator:
        simulator.add("m1", life=Life.scripted([(0, "processing"), (5, "delivered")], cost="0.05"))
        yield simulator


def outgoing(count: int, **more: object) -> dict[str, list[dict[str, object]]]:
    message = {"from": "Shop", "to": "+380501234567", "type": "sms", "text": "Hello", "ttl": 300, **more}
    return {"messages": [message] * count}


@pytest.mark.parametrize(
    "auth",
    [
        {"X-Authorization-Key": "key-1"},
        {"Authorization": basic("user", "päss:word")},
        {"Authorization": basic("@", "key-1")},
        {"authorization": basic("@", "key-1").replace("Basic", "bAsIc")},
    ],
)
async def test_each_of_the_three_ways_to_authenticate_works_for_status_and_send(
    session: aiohttp.ClientSession, sim: Simulator, auth: dict[str, str]
) -> None:
    async with session.get(f"{sim.url}/bat/message/m1", headers=auth) as response:
        assert response.status == 200
    async with session.post(f"{sim.url}/bat/messagelist", headers=auth, json=outgoing(1)) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "auth",
    [
        {},
        {"X-Authorization-Key": "wrong"},
        {"X-Authorization-Key": ""},
        {"Authorization": "Bearer key-1"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": basic("user", "wrong")},
        {"Authorization": basic("user", "key-1")},
    ],
)
async def test_other_credentials_are_401_and_no_status_call(
    session: aiohttp.ClientSession, sim: Simulator, auth: dict[str, str]
) -> None:
    async with session.get(f"{sim.url}/bat/message/m1", headers=auth) as response:
        assert response.status == 401
        assert set(await response.json()) == ({"success", "errorCode", "errorMessage"} if auth else {"error"})
    async with session.post(f"{sim.url}/bat/messagelist", headers=auth, json=outgoing(1)) as response:
        assert response.status == 401
    assert len(sim.ledger) == 1
    assert not sim.ledger.answers


async def test_a_message_of_another_account_and_one_that_nobody_sent_are_404(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    for message_id, key in (("m1", "key-2"), ("m2", "key-1"), ("..%2Fm1", "key-1")):
        url = f"{sim.url}/bat/message/{message_id}"
        async with session.get(url, headers={"X-Authorization-Key": key}) as response:
            assert response.status == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/bat/messagelist"), ("POST", "/bat/message/m1")])
async def test_unknown_calls_are_404(session: aiohttp.ClientSession, sim: Simulator, method: str, path: str) -> None:
    async with session.request(method, sim.url + path, headers=KEY) as response:
        assert response.status == 404


async def test_the_answer_follows_the_clock(session: aiohttp.ClientSession, sim: Simulator, clock: HandClock) -> None:
    seen = []
    for at in (0.0, 4.9, 5.0, 500.0):
        clock.at = START + at
        async with session.get(f"{sim.url}/bat/message/m1", headers=KEY) as response:
            assert response.content_type == "application/json"
            seen.append((await response.json())["deliverystatus"])
    assert seen == ["processing", "processing", "delivered", "delivered"]


async def test_the_burst_then_the_rate_is_what_an_account_gets(
    session: aiohttp.ClientSession, clock: HandClock
) -> None:
    limited = SimAccount(name="main", api_key="key-1", requests_per_second=2, burst=3)
    async with started(Simulator(accounts=[limited, OTHER], clock=clock)) as sim:
        sim.add("m1")

        async def codes(count: int) -> list[int]:
            return [(await session.get(f"{sim.url}/bat/message/m1", headers=KEY)).status for _ in range(count)]

        assert await codes(5) == [200, 200, 200, 429, 429]
        clock.at += 0.5
        assert await codes(2) == [200, 429]
        clock.at += 60
        assert await codes(4) == [200, 200, 200, 429]
        async with session.get(f"{sim.url}/bat/message/m1", headers={"X-Authorization-Key": "key-2"}) as response:
            assert response.status == 404, "another account has its own limit"
        assert sim.ledger.answers["main", "429"] == 4
        assert len(sim.ledger.account_arrivals["main"]) == 11


async def test_429_says_when_to_come_back_the_way_the_account_is_set(
    session: aiohttp.ClientSession, clock: HandClock
) -> None:
    accounts = [
        SimAccount(name=form, api_key=form, requests_per_second=0.25, burst=1, retry_after=form)
        for form in ("none", "seconds", "date")
    ]
    async with started(Simulator(accounts=accounts, clock=clock)) as sim:
        said = {}
        for account in accounts:
            headers = {"X-Authorization-Key": account.name}
            await session.get(f"{sim.url}/bat/message/m1", headers=headers)
            async with session.get(f"{sim.url}/bat/message/m1", headers=headers) as response:
                assert response.status == 429
                said[account.name] = response.headers.get("Retry-After")
    assert said["none"] is None
    assert said["seconds"] == "4"
    assert parsedate_to_datetime(said["date"] or "").timestamp() == START + 4


async def test_an_exhaustive_poller_counts_what_the_ledger_says(
    session: aiohttp.ClientSession, clock: HandClock
) -> None:
    async with started(Simulator(accounts=[MAIN], clock=clock, profile=demo(), seed=3)) as sim:
        channels = {}
        for number in range(240):
            channel, fallbacks = (("sms", ()), ("viber_promo", ("sms",)), ("viber_otp", ("sms",)))[number % 3]
            channels[sim.add(f"m{number}", channel=channel, fallbacks=fallbacks).id] = channel
        last: dict[str, dict[str, object]] = {}
        while clock.at < START + 400 and len(last) < len(channels):
            for message_id in channels.keys() - last.keys():
                async with session.get(f"{sim.url}/bat/message/{message_id}", headers=KEY) as response:
                    answer = json.loads(await response.read(), parse_float=Decimal)
                if str(answer.get("deliverystatus")).lower() in {"delivered", "undeliverable", "permanenterror"}:
                    last[message_id] = answer
            clock.at += 5.0
        assert counted(channels, last) == ended(sim)
        assert sim.ledger.smallest_gap_seconds() == 5.0


def counted(channels: dict[str, str], last: dict[str, dict[str, object]]) -> dict[TotalKey, list[Decimal]]:
    """Messages, parts, cost and bill, as a poller reads them off the final answers."""
    sums: dict[TotalKey, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for message_id, answer in last.items():
        entries = answer.get("fallbacks")
        assert isinstance(entries, list | None)
        used = None if entries is None else any(entry["status"] != "not_used" for entry in entries)
        fallback = {None: "none", False: "unused", True: "used"}[used]
        key = TotalKey("main", channels[message_id], Truth(str(answer["deliverystatus"]).lower()), fallback)
        told = (1, answer["partscount"], answer["cost"], answer.get("billAmount", 0))
        sums[key] = [total + Decimal(str(amount)) for total, amount in zip(sums[key], told, strict=True)]
    return dict(sums)


def ended(sim: Simulator) -> dict[TotalKey, list[Decimal]]:
    return {
        key: [Decimal(t.messages), Decimal(t.parts), t.cost, sum(t.bill_amounts.values(), Decimal(0))]
        for key, t in sim.ledger.totals().items()
        if key.truth not in (Truth.NEVER, Truth.NOT_FOUND)
    }


async def test_latency_holds_answers_back(session: aiohttp.ClientSession) -> None:
    async with started(Simulator(accounts=[MAIN], latency=Latency(median_seconds=3600))) as sim:
        sim.add("m1")
        with pytest.raises(TimeoutError):
            await session.get(f"{sim.url}/bat/message/m1", headers=KEY, timeout=aiohttp.ClientTimeout(total=0.1))


async def test_run_announces_its_url_and_stops_listening_when_it_is_cancelled(session: aiohttp.ClientSession) -> None:
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    simulator = Simulator(accounts=[MAIN])
    task = asyncio.create_task(run(simulator, "127.0.0.1", 0, announced.set_result))
    url = await announced
    async with session.get(url) as response:
        assert response.status == 404
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(aiohttp.ClientConnectionError):
        await session.get(url)


def test_messages_that_come_in_later_fare_by_the_profile_that_is_followed(sim: Simulator) -> None:
    before = sim.add("before")
    sim.follow(never_ending())
    after = sim.add("after")
    assert (before.life.truth, after.life.truth) == (Truth.DELIVERED, Truth.NEVER)


def test_secrets_do_not_show_in_a_repr() -> None:
    assert "key-1" not in repr(MAIN)
    assert "word" not in repr(MAIN).replace("password", "")

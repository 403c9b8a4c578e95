"""The simulated send call: ids in order, refusals, parts and fallbacks."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING

import aiohttp
import pytest

from exporter.simulator import (
    Life,
    Refusals,
    SimAccount,
    Simulator,
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


MAIN = SimAccount(name="main", api_key="key-1", requests_per_second=None)
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


async def test_five_thousand_messages_are_sent_in_order_and_known_at_once(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    messages = [outgoing(1, text="я" * 200, customerMessageId=f"c{n}")["messages"][0] for n in range(5000)]
    body = io.BytesIO(json.dumps({"messages": messages}).encode())
    headers = KEY | {"Content-Type": "application/json"}
    async with session.post(f"{sim.url}/bat/messagelist", headers=headers, data=body) as response:
        assert response.status == 200
        sent = await response.json()
    ids = [message["messageId"] for message in sent["messages"]]
    assert isinstance(sent["messagelistId"], int)
    assert [message["customerMessageId"] for message in sent["messages"]] == [f"c{number}" for number in range(5000)]
    assert {(m["status"], m["parts"], m["to"]) for m in sent["messages"]} == {("accepted", 3, "+380501234567")}
    assert {len(message_id) for message_id in ids} == {36}
    assert len(set(ids)) == 5000
    async with session.get(f"{sim.url}/bat/message/{ids[-1]}", headers=KEY) as response:
        assert (await response.json()).items() >= {
            "messageId": ids[-1],
            "messagelistId": sent["messagelistId"],
            "deliverystatus": "scheduled",
            "partscount": 3,
        }.items()


async def test_ids_and_refusals_are_the_same_for_the_same_seed_and_other_messages_for_another_account(
    session: aiohttp.ClientSession, clock: HandClock
) -> None:
    answers = []
    for keys in (["key-1", "key-2"], ["key-2", "key-1"]):
        simulator = Simulator(accounts=[MAIN, OTHER], clock=clock, refusals=Refusals(rejected=0.2, failed=0.1))
        async with started(simulator) as sim:
            told = {}
            for key in keys:
                headers = {"X-Authorization-Key": key}
                async with session.post(f"{sim.url}/bat/messagelist", headers=headers, json=outgoing(200)) as response:
                    told[key] = (await response.json())["messages"]
            statuses = [message["status"] for messages in told.values() for message in messages]
            assert len(sim.ledger) == statuses.count("accepted")
            assert 40 < statuses.count("rejected") < 120
            assert 15 < statuses.count("failed") < 70
            answers.append(told)
    assert answers[0] == answers[1]
    assert answers[0]["key-1"] != answers[0]["key-2"]


async def test_a_second_send_call_goes_on_with_new_ids(session: aiohttp.ClientSession, sim: Simulator) -> None:
    ids: list[str] = []
    for _ in range(2):
        async with session.post(f"{sim.url}/bat/messagelist", headers=KEY, json=outgoing(3)) as response:
            ids += [message["messageId"] for message in (await response.json())["messages"]]
    assert len(set(ids)) == 6
    assert len(sim.ledger) == 7


async def test_a_sent_fallback_makes_answers_extended(session: aiohttp.ClientSession, sim: Simulator) -> None:
    fallback = {"type": "sms", "text": "x" * 161, "fallback": {"type": "email"}}
    body = outgoing(1, type="viber_otp", fallback=fallback)
    async with session.post(f"{sim.url}/bat/messagelist", headers=KEY, json=body) as response:
        sent = (await response.json())["messages"][0]
    assert sent["parts"] == 2
    async with session.get(f"{sim.url}/bat/message/{sent['messageId']}", headers=KEY) as response:
        answer = await response.json()
    assert answer["fallbacks"] == [{"type": "sms", "status": "not_used"}, {"type": "email", "status": "not_used"}]
    assert answer["extendedStatuses"] == {"viber": "scheduled", "sms": "not_used", "email": "not_used"}


async def test_a_message_without_a_recipient_is_rejected(session: aiohttp.ClientSession, sim: Simulator) -> None:
    async with session.post(f"{sim.url}/bat/messagelist", headers=KEY, json=outgoing(1, to="")) as response:
        assert (await response.json())["messages"][0]["status"] == "rejected"


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", json.dumps(outgoing(1)).encode(), 415),
        ("application/json", b"{", 400),
        ("application/json", b'{"messages": 1}', 400),
        ("application/json", b'{"messages": [{"to": "\xff"}]}', 400),
        ("application/json", json.dumps(outgoing(5001)).encode(), 400),
    ],
)
async def test_a_bad_send_call_is_refused_as_a_whole(
    session: aiohttp.ClientSession, sim: Simulator, content_type: str, body: bytes, status: int
) -> None:
    headers = KEY | {"Content-Type": content_type}
    async with session.post(f"{sim.url}/bat/messagelist", headers=headers, data=body) as response:
        assert response.status == status
    assert len(sim.ledger) == 1

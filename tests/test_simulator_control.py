"""The control endpoint of the simulated API, for tools on the same machine."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from exporter.simulator import (
    FaultKind,
    Ledger,
    Life,
    Refusals,
    SimAccount,
    Simulator,
    demo,
)
from exporter.simulator.control import Control
from exporter.simulator.faults import Faults
from exporter.simulator.registry import Registry
from exporter.simulator.webhooks import Webhooks

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


async def test_faults_are_switched_over_http(session: aiohttp.ClientSession, sim: Simulator) -> None:
    faults = f"{sim.url}/_control/faults"
    async with session.put(faults, json=[{"kind": "status", "status": 502, "account": "main"}]) as response:
        assert response.status == 200
    assert [(fault.kind, fault.status) for fault in sim.faults.active] == [(FaultKind.STATUS, 502)]
    async with session.get(f"{sim.url}/bat/message/m1", headers=KEY) as response:
        assert response.status == 502
    async with session.get(faults) as response:
        assert [fault["kind"] for fault in await response.json()] == ["status"]
    async with session.delete(faults) as response:
        assert await response.json() == []
    async with session.get(f"{sim.url}/bat/message/m1", headers=KEY) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'[{"kind": "gremlins"}]', b'[{"kind": "nan", "shares": 1}]', b'["\xff"]']
)
async def test_faults_that_do_not_exist_are_refused_and_change_nothing(
    session: aiohttp.ClientSession, sim: Simulator, body: bytes
) -> None:
    async with session.put(f"{sim.url}/_control/faults", data=body) as response:
        assert response.status == 400
    assert sim.faults.active == ()


async def test_the_control_endpoint_does_not_exist_for_other_machines(clock: HandClock) -> None:
    faults, ledger, webhooks = Faults(1), Ledger(keep_arrivals=False), Webhooks([], clock)
    registry = Registry(profile=demo(), seed=1, refusals=Refusals(), ledger=ledger, webhooks=webhooks)
    control = Control(faults=faults, ledger=ledger, registry=registry, clock=clock)
    request = make_mocked_request("GET", "/_control/faults")
    for remote, status in (("192.0.2.1", 404), ("127.0.0.1", 200), ("::1", 200)):
        assert (await control.answer(request.clone(remote=remote))).status == status


async def test_messages_are_added_and_the_ledger_is_read_over_http(
    session: aiohttp.ClientSession, sim: Simulator, clock: HandClock
) -> None:
    message = {"messageId": "m2", "account": "main", "channel": "rcs", "states": [[0, "undeliverable"]], "cost": "0.00"}
    async with session.put(f"{sim.url}/_control/messages", json=[message]) as response:
        assert await response.json() == {"added": 1}
    async with session.put(f"{sim.url}/_control/messages", json=[message]) as response:
        assert response.status == 400
    async with session.get(f"{sim.url}/bat/message/m2", headers=KEY) as response:
        assert (await response.json())["deliverystatus"] == "undeliverable"
    async with session.get(f"{sim.url}/_control/ledger", params={"ended_by": str(clock.at)}) as response:
        ledger = json.loads(await response.read(), parse_float=Decimal)
    assert ledger["calls"] == {"main 200": 1}
    assert [(row["channel"], row["truth"], row["messages"], row["cost"]) for row in ledger["totals"]] == [
        ("rcs", "undeliverable", 1, Decimal("0.00"))
    ]

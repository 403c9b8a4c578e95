"""The webhooks of the simulated API, as their receiver sees them."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporter.simulator import Life, SimAccount, Simulator, Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = 1_769_164_200.0  # 2026-01-23T10:30:00Z
DELIVERED = Life.scripted([(0, "processing"), (5.7, "delivered"), (9, "Read")], cost="0.05")


class HandClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


class Receiver:
    """Takes webhooks; answers with the statuses it was given, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.calls: list[tuple[str, str | None, bytes]] = []
        self.called = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.calls.append((request.path, request.headers.get("Authorization"), await request.read()))
        self.called.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def server(receiver: Receiver) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.take)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sim(clock: HandClock) -> Simulator:
    return Simulator(accounts=[SimAccount(name="main", api_key="k"), SimAccount(name="other")], clock=clock)


async def test_the_documented_body_is_posted_once_when_a_message_ends(
    sim: Simulator, clock: HandClock, server: TestServer, receiver: Receiver
) -> None:
    sim.webhooks.set("main", Webhook(url=str(server.make_url("/webhook/main")), token="t0ken"))
    sim.add("m1", life=DELIVERED)
    clock.at = START + 5.6
    await sim.webhooks.send_due()
    assert receiver.calls == []
    clock.at = START + 5.7
    await sim.webhooks.send_due()
    await sim.webhooks.send_due()
    [(path, authorization, body)] = receiver.calls
    assert (path, authorization) == ("/webhook/main", "Bearer t0ken")
    assert json.loads(body, parse_float=Decimal) == {
        "messageId": "m1",
        "deliverystatus": "delivered",
        "timestamp": "2026-01-23T10:30:05Z",
        "cost": Decimal("0.05"),
    }


async def test_a_plain_url_gets_no_authorization(
    sim: Simulator, clock: HandClock, server: TestServer, receiver: Receiver
) -> None:
    sim.webhooks.set("main", Webhook(url=str(server.make_url("/webhook/main/t0ken"))))
    sim.add("m1", life=Life.scripted([(0, "undeliverable")]))
    clock.at += 1
    await sim.webhooks.send_due()
    [(path, authorization, body)] = receiver.calls
    assert (path, authorization) == ("/webhook/main/t0ken", None)
    assert "cost" not in json.loads(body)


async def test_messages_that_never_end_and_other_accounts_get_none(
    sim: Simulator, clock: HandClock, server: TestServer, receiver: Receiver
) -> None:
    sim.webhooks.set("main", Webhook(url=str(server.make_url("/"))))
    sim.add("never", life=Life.scripted([(0, "processing")]))
    sim.add("missing", life=Life.scripted([(0, "delivered")], visible_after_seconds=float("inf")))
    sim.add("m1", account="other", life=DELIVERED)
    clock.at += 1e6
    await sim.webhooks.send_due()
    assert receiver.calls == []


async def test_it_is_tried_again_until_it_is_taken_or_the_tries_are_used_up(
    sim: Simulator, clock: HandClock, server: TestServer, receiver: Receiver
) -> None:
    sim.webhooks.set("main", Webhook(url=str(server.make_url("/")), tries=3, retry_seconds=0))
    sim.add("m1", life=DELIVERED)
    sim.add("m2", life=DELIVERED)
    clock.at += 10
    receiver.statuses = [503, 307, 204, 401, 500, 500]
    await sim.webhooks.send_due()
    assert len(receiver.calls) == 6
    assert sim.webhooks.results == {"taken": 1, "given_up": 1}


async def test_a_receiver_that_is_down_is_given_up(sim: Simulator, clock: HandClock, server: TestServer) -> None:
    url = str(server.make_url("/"))
    await server.close()
    sim.webhooks.set("main", Webhook(url=url, tries=2, retry_seconds=0))
    sim.add("m1", life=DELIVERED)
    clock.at += 10
    await sim.webhooks.send_due()
    assert sim.webhooks.results == {"given_up": 1}


async def test_a_running_simulator_sends_them_by_itself(server: TestServer, receiver: Receiver) -> None:
    webhook = Webhook(url=str(server.make_url("/hook")))
    sim = Simulator(accounts=[SimAccount(name="main", api_key="k", webhook=webhook)])
    await sim.start()
    sim.add("m1", life=Life.scripted([(0, "delivered")]))
    async with asyncio.timeout(30):
        await receiver.called.wait()
    await sim.close()
    assert receiver.calls[0][0] == "/hook"


def test_tokens_do_not_show_in_a_repr() -> None:
    assert "t0ken" not in repr(Webhook(url="http://127.0.0.1/webhook/main/t0ken", token="t0ken"))

"""Webhooks and the poller together, against the simulated API in virtual time: asked at once, in turn, not often."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from exporter.simulator import Fault, FaultKind, Life
from exporter.webhook.bodies import notice_in
from exporter.webhook.receiver import Receiver
from tests.test_poller import ONE_A_SECOND, Bench, bench
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SELDOM = [{"first": "1h", "interval": "1h", "backoff": 1, "max_interval": "2h", "mature": "5h", "timeout": "10h"}]
SOON = 10.0
"""Virtual seconds; while a real connection takes its time the clock may jump from timer to timer."""
DELIVERED = ((0.0, "processing"), (5.0, "delivered"))


@asynccontextmanager
async def ticking(path: Path, **given: Any) -> AsyncIterator[Bench]:  # noqa: ANN401
    """A bench in which time does its part too."""
    settings = {"polling": SELDOM, "buckets": [30_000], "limits": {"webhook_token": "token"}, **given}
    async with bench(path, **settings) as it:

        async def tick() -> None:
            while True:
                await it.lab.wait(1)
                it.lab.core.timekeeper.tick(it.clock.now())

        tasks = [asyncio.create_task(tick()), asyncio.create_task(it.lab.core.placing.run(it.clock))]
        try:
            yield it
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def hook(it: Bench, message_id: str, seconds_ago: float = 1.0) -> bool:
    timestamp = datetime.fromtimestamp(it.clock.now() - seconds_ago, UTC).isoformat()
    body = {"messageId": message_id, "deliverystatus": "delivered", "timestamp": timestamp}
    found, notice = notice_in(json.dumps(body).encode(), it.lab.words)
    return await Receiver(it.lab.core).receive("main", found, notice)


@in_virtual_time
async def test_the_confirming_poll_is_made_at_once(tmp_path: Path) -> None:
    async with ticking(tmp_path) as it:
        await it.send("m1", states=DELIVERED, cost="0.5")
        await it.lab.wait(10)
        at = it.clock.now()
        await hook(it, "m1")
        await it.until_ended(1)
        (call,) = it.calls("m1")
        assert call - at < SOON
        assert it.lab.shown("cost") == 0.5


@in_virtual_time
async def test_a_burst_of_webhooks_is_confirmed_as_the_budget_allows(tmp_path: Path) -> None:
    ids = [f"m{number}" for number in range(1_500)]
    async with ticking(tmp_path) as it:
        await it.send(*ids, states=DELIVERED, cost="0.5")
        await it.lab.wait(10)
        await asyncio.gather(*(hook(it, each) for each in ids))
        await it.until_ended(len(ids))
        assert it.lab.shown("messages_finished", fallback="none") == len(ids)
        assert it.lab.shown("cost") == 0.5 * len(ids)
        assert max(len(it.calls(each)) for each in ids) == 1


@in_virtual_time
async def test_webhooks_that_come_faster_than_the_budget_leave_every_other_turn_to_the_others(tmp_path: Path) -> None:
    ids = [f"m{number}" for number in range(900)]
    async with ticking(tmp_path) as it:
        await it.send(*ids, states=DELIVERED)
        it.sim.add("other", life=Life.scripted([(0, "processing")]))
        due_at = it.clock.now() + 30
        await it.lab.offer("other", channel="sms", sent_at=due_at - 3_600)
        await it.lab.wait(10)
        for start in range(0, len(ids), 15):
            await asyncio.gather(*(hook(it, each) for each in ids[start : start + 15]))
            await it.lab.wait(1)
        (call,) = it.calls("other")
        assert 0 <= call - due_at < SOON


@in_virtual_time
async def test_in_a_lane_that_is_stretched_far_an_announced_end_keeps_real_time(tmp_path: Path) -> None:
    ids = [f"m{number}" for number in range(2_000)]
    often = [{**SELDOM[0], "first": "1s", "interval": "2s", "max_interval": "2s"}]
    async with ticking(tmp_path, polling=often) as it:
        await it.send(*ids, states=((0, "processing"), (3, "delivered")))
        await it.lab.wait(2.9)
        asked = max((each for each in ids if it.calls(each)), key=lambda each: it.calls(each)[-1])
        await it.lab.wait(0.3)
        at = it.clock.now()
        await hook(it, asked, 0.1)
        await it.lab.until(lambda: len(it.calls(asked)) == 2)
        before, after = it.calls(asked)
        assert after - before >= ONE_A_SECOND
        assert after - at < SOON


@in_virtual_time
async def test_a_webhook_during_a_call_leads_to_no_second_call_within_a_second(tmp_path: Path) -> None:
    often = [{**SELDOM[0], "first": "1s", "interval": "1s", "max_interval": "1s"}]
    async with ticking(tmp_path, polling=often) as it:
        it.sim.faults.set(Fault(kind=FaultKind.SLOW, delay_seconds=0.5))
        await it.send("m1", states=((0, "processing"), (60, "delivered")))
        await it.lab.until(lambda: len(it.calls("m1")) == 3, every=0.01)
        await hook(it, "m1")
        it.sim.faults.clear()
        await it.lab.wait(10)
        assert it.sim.ledger.smallest_gap_seconds() >= ONE_A_SECOND


@in_virtual_time
async def test_answers_that_say_nothing_are_asked_for_ever_more_seldom_and_then_the_webhook_counts(
    tmp_path: Path,
) -> None:
    async with ticking(tmp_path) as it:
        await it.send("m1", states=((0, "teleported"),))
        await it.lab.wait(10)
        at = it.clock.now()
        await hook(it, "m1")
        await it.until_ended(1)
        assert 60 <= it.clock.now() - at < 60 + SOON
        assert 4 <= len(it.calls("m1")) <= 10
        assert it.lab.shown("messages_finished", outcome="delivered", fallback="unknown") == 1


@in_virtual_time
async def test_an_old_backoff_does_not_delay_the_confirmation(tmp_path: Path) -> None:
    often = [{**SELDOM[0], "first": "1s", "interval": "1s", "max_interval": "1s"}]
    async with ticking(tmp_path, polling=often) as it:
        it.sim.faults.set(Fault(kind=FaultKind.STATUS, status=503))
        await it.send("m1", states=DELIVERED, cost="0.5")
        await it.lab.wait(300)
        calls = len(it.calls("m1"))
        await it.lab.until(lambda: len(it.calls("m1")) > calls)
        await it.lab.wait(2)
        it.sim.faults.clear()
        at = it.clock.now()
        await hook(it, "m1")
        await it.until_ended(1)
        assert it.calls("m1")[-1] - at < SOON
        assert it.lab.shown("messages_finished", outcome="delivered", fallback="none") == 1


@in_virtual_time
async def test_while_the_store_fails_nobody_ends_unasked(tmp_path: Path) -> None:
    async with ticking(tmp_path) as it:
        await it.send("m1", states=DELIVERED, cost="0.5")
        await it.lab.wait(10)
        it.lab.store.fails = 90
        taking = asyncio.create_task(hook(it, "m1"))
        await it.until_ended(1)
        await asyncio.gather(taking, return_exceptions=True)
        assert it.lab.shown("cost") == 0.5
        assert len(it.calls("m1")) == 1


@in_virtual_time
async def test_nobody_waits_for_ever_for_a_turn(tmp_path: Path) -> None:
    async with ticking(tmp_path, limits={"webhook_token": "token", "requests_per_second": 0.01, "burst": 1}) as it:
        await it.send("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "m9", states=DELIVERED)
        await it.lab.wait(200)
        at = it.clock.now()
        await asyncio.gather(*(hook(it, f"m{number}") for number in range(1, 10)))
        await it.lab.until(lambda: it.lab.shown("messages_finished") == 9, every=1.0)
        assert 600 <= it.clock.now() - at < 600 + SOON
        assert 1 <= (it.lab.shown("messages_finished", fallback="unknown") or 0) <= 8

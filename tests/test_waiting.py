"""While somebody waits for a message it is polled at its entry's interval, and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from exporter import waiting
from exporter.columns import WAITED
from tests.lab import Lab
from tests.virtual_time import in_virtual_time

POLLING = [{"first": "2s", "interval": "5s", "backoff": 3, "max_interval": "1h"}]
NO_EDGES: dict[str, Any] = {"polling": POLLING, "buckets": [86_000.0]}


@in_virtual_time
async def test_a_waiter_brings_the_next_poll_forward_and_its_leaving_restores_the_gap() -> None:
    async with Lab(**NO_EDGES) as lab:
        await lab.offer("m1", channel="sms")
        slot, columns, tracker = lab.slot("m1"), lab.core.in_flight.columns, lab.core.tracker
        lab.advance(1_000)
        lab.answer("m1", "processing")
        assert columns.due_at[slot] == pytest.approx(lab.clock.at + 5 + 2 * 1_000, abs=0.01)
        lab.advance(2)
        wait = lab.background(tracker.wait("main", "m1", 30.0))
        await lab.turn()
        assert columns.due_at[slot] == pytest.approx(lab.clock.at + 3, abs=0.01)
        assert lab.core.desks["main"].queue.demand_per_second() == pytest.approx(1 / 5)
        lab.advance(3)
        lab.answer("m1", "processing")
        assert columns.due_at[slot] == pytest.approx(lab.clock.at + 5, abs=0.01)
        assert await wait is False
        assert not columns.has(slot, WAITED)
        lab.advance(5)
        lab.answer("m1", "processing")
        assert columns.due_at[slot] > lab.clock.at + 1_000


@in_virtual_time
async def test_a_waiter_never_brings_two_polls_within_a_second_nor_one_later() -> None:
    async with Lab(**NO_EDGES) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        slot, columns = lab.slot("m1"), lab.core.in_flight.columns
        before = columns.due_at[slot]
        waits = [lab.background(lab.core.tracker.wait("main", "m1", 30.0)) for _ in range(3)]
        await lab.turn()
        assert lab.clock.at + 1 <= columns.due_at[slot] <= before
        for wait in waits:
            wait.cancel()


@in_virtual_time
async def test_the_last_waiter_who_leaves_ends_the_hurry() -> None:
    async with Lab(**NO_EDGES) as lab:
        await lab.offer("m1", channel="sms")
        slot, columns = lab.slot("m1"), lab.core.in_flight.columns
        first, second = (lab.background(lab.core.tracker.wait("main", "m1", seconds)) for seconds in (10.0, 20.0))
        assert await first is False
        assert columns.has(slot, WAITED)
        assert await second is False
        assert not columns.has(slot, WAITED)


@in_virtual_time
async def test_whoever_waits_for_what_is_not_in_flight_need_not() -> None:
    async with Lab() as lab:
        assert await lab.core.tracker.wait("main", "m1", 30.0) is True


@in_virtual_time
async def test_ten_thousand_may_wait_and_no_more() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        tracker = lab.core.tracker
        all_ = [lab.background(tracker.wait("main", "m1", 30.0)) for _ in range(waiting.MOST_WAITERS)]
        await lab.turn()
        with pytest.raises(waiting.TooManyError):
            await tracker.wait("main", "m1", 30.0)
        lab.answer("m1", "delivered")
        assert all(await asyncio.gather(*all_))
        assert len(tracker.waiters) == 0

"""What is done once a second, and once a minute."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from exporter import upkeep
from tests.lab import Lab
from tests.virtual_time import LoopClock, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def kept_up() -> AsyncIterator[Lab]:
    """Run a lab whose clock goes, and its upkeep, while the block lasts."""
    lab = Lab(retention="2m", window="1m")
    lab.runs_by = LoopClock()
    async with lab:
        keeping = lab.background(upkeep.run(lab.core))
        yield lab
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def abandoned(lab: Lab) -> None:
    """Have a message that ended now."""
    await lab.offer("m1", channel="sms")
    lab.core.tracker.abandon(lab.slot("m1"))
    await lab.settle()


async def remembered(lab: Lab) -> bool:
    return await lab.core.writer.call(lambda store: store.finished("main", "m1")) is not None


@in_virtual_time
async def test_messages_come_of_age_while_nobody_asks() -> None:
    async with kept_up() as lab:
        await lab.offer("m1", channel="sms")
        assert not lab.shown("messages_matured")
        await lab.wait(lab.core.plan.rules.mature_seconds(lab.slot("m1")) + 2)
        await lab.settle()
        assert lab.shown("messages_matured") == 1


@in_virtual_time
async def test_finished_messages_are_remembered_for_the_retention_and_forgotten_within_a_minute() -> None:
    async with kept_up() as lab:
        await abandoned(lab)
        await lab.wait(115)
        assert await remembered(lab)
        await lab.wait(70)
        assert not await remembered(lab)


@in_virtual_time
async def test_a_reload_changes_the_retention() -> None:
    async with kept_up() as lab:
        await abandoned(lab)
        lab.reload(retention="1h")
        await lab.wait(3_500)
        assert await remembered(lab)
        await lab.wait(200)
        assert not await remembered(lab)


@in_virtual_time
async def test_a_store_that_does_not_forget_is_counted_and_tried_again() -> None:
    async with kept_up() as lab:
        await abandoned(lab)
        lab.store.fails_forgetting = True
        await lab.wait(185)
        assert lab.core.committer.meter.errors == 3
        assert await remembered(lab)
        lab.store.fails_forgetting = False
        await lab.wait(60)
        assert not await remembered(lab)

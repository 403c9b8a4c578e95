"""Each call gets its time and no more, and whoever else cancels a task still does."""

from __future__ import annotations

import asyncio
import weakref

import pytest

from exporter.timeouts import Timeouts
from tests.virtual_time import in_virtual_time


async def call(timeouts: Timeouts, seconds: float) -> float:
    """Take so many seconds; returns when it was over."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    loop.call_later(seconds, lambda: None if over.done() else over.set_result(None))
    try:
        with timeouts:
            await over
    except TimeoutError:
        return -loop.time()
    return loop.time()


async def after(seconds: float, timeouts: Timeouts, takes: float) -> float:
    await call(Timeouts(1e6), seconds)
    return await call(timeouts, takes)


@in_virtual_time
async def test_a_call_that_takes_longer_ends_after_exactly_its_time() -> None:
    began, timeouts = asyncio.get_running_loop().time(), Timeouts(5.0)
    waits = [(0.0, 4.9), (0.0, 60.0), (1.0, 60.0), (2.0, 3.0), (6.0, 60.0), (50.0, 5.5)]
    ends = await asyncio.gather(*(after(wait, timeouts, takes) for wait, takes in waits))
    assert [abs(end) - began for end in ends] == pytest.approx([4.9, 5.0, 6.0, 5.0, 11.0, 55.0], abs=0.4)
    assert [end > 0 for end in ends] == [True, False, False, True, False, False]


@in_virtual_time
async def test_a_task_may_make_the_next_call_after_one_that_was_late() -> None:
    timeouts = Timeouts(5.0)
    assert await call(timeouts, 60.0) < 0 < await call(timeouts, 4.0)
    assert await call(timeouts, 5.5) < 0


@in_virtual_time
async def test_another_ones_cancellation_stays_one_also_when_the_call_is_late() -> None:
    timeouts = Timeouts(5.0)
    for at in (1.0, 5.0):
        task = asyncio.create_task(call(timeouts, 60.0))
        asyncio.get_running_loop().call_later(at, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await call(timeouts, 4.0) > 0


@in_virtual_time
async def test_an_error_of_a_call_stays_what_it_is() -> None:
    timeouts = Timeouts(5.0)
    with pytest.raises(ValueError, match="broken"), timeouts:
        raise ValueError("broken")
    assert await call(timeouts, 60.0) < 0


@in_virtual_time
async def test_no_timer_is_left_once_it_is_closed() -> None:
    timeouts = Timeouts(5.0)
    await call(timeouts, 1.0)
    timeouts.close()
    alive = weakref.ref(timeouts)
    del timeouts
    assert alive() is None


def test_only_a_task_can_run_out_of_time() -> None:
    async def outside() -> None:
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            try:
                with Timeouts(1.0):
                    failed.set_result("nothing")
            except RuntimeError as error:
                failed.set_result(str(error))

        asyncio.get_running_loop().call_soon(enter)
        assert await failed == "only a task can run out of time"

    asyncio.run(outside())

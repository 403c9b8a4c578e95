"""An event loop in which sleeping takes no time, and clocks that tests hold in their hands."""

from __future__ import annotations

import asyncio
import functools
import selectors
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")
START = 1_800_000_000.0
DAY = 86_400.0


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


class LoopClock:
    """A clock that goes with the loop, and jumps with it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin = self._loop.time()

    def now(self) -> float:
        return START + self._loop.time() - self._origin


class _NeverWaits(selectors.DefaultSelector):
    """Instead of waiting for a timer, the loop's time jumps to it; only threads at work are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0
        self.jobs = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.jobs or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        events = super().select(5 if timeout is None else 0)
        if not events:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will ever happen")
            self.jumped += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time."""

    def __init__(self) -> None:
        self._never_waits = _NeverWaits()
        super().__init__(self._never_waits)

    def time(self) -> float:
        return super().time() + self._never_waits.jumped

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        self._never_waits.jobs += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: asyncio.Future[T]) -> None:
        self._never_waits.jobs -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (the loop's own)
        """Wait for the threads in real time; the loop would jump to the end of its own patience (Python 3.12)."""
        self._never_waits.jobs += 1
        given = () if timeout is None else (timeout,)
        try:
            await super().shutdown_default_executor(*given)
        finally:
            self._never_waits.jobs -= 1


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop in which sleeping takes no time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run

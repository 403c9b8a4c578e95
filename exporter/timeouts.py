"""One timer for all calls that may take equally long: the oldest is the first to run out of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Timeouts:
    """A context manager that many tasks share, each for one call at a time; TimeoutError ends a call that takes longer.

    It does what asyncio.timeout does, without a timer a call: those cost a twelfth of a poll.
    """

    def __init__(self, seconds: float) -> None:
        """Allow each call so many seconds."""
        self._seconds = seconds
        self._since: dict[asyncio.Task[object], float] = {}
        """When each call under way began, by the loop's time; the oldest is first."""
        self._late: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Begin a call of the current task."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task can run out of time")
        self._since[task] = now = loop.time()
        if self._timer is None:
            self._timer = loop.call_at(now + self._seconds, self._end_late)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a call; a cancellation of ours becomes a TimeoutError, that of somebody else stays one."""
        task = asyncio.current_task()
        if task is None or self._since.pop(task, None) is None or task not in self._late:
            return
        self._late.remove(task)
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end_late(self) -> None:
        """Cancel who is late, and look again when the next one may be."""
        loop = asyncio.get_running_loop()
        now, self._timer = loop.time(), None
        for task, since in self._since.items():
            if task in self._late:
                continue
            if since + self._seconds > now:
                self._timer = loop.call_at(since + self._seconds, self._end_late)
                return
            self._late.add(task)
            task.cancel()

    def close(self) -> None:
        """Stop the timer; no call is under way any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

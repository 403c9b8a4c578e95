"""Who waits for the end of which message; each is woken once that end is stored, and nobody polls."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Final

MOST_WAITERS: Final = 10_000
_MOMENTS_A_SECOND: Final = 20

Key = tuple[str, str]
"""Account and message id."""


class TooManyError(Exception):
    """As many wait already as may."""


class Waiters:
    """The waiting callers, by message.

    Thousands of them wait, so a waiter is one future: a coroutine and a timer of its own would be a kilobyte more.
    """

    def __init__(self, on_left: Callable[[Key], None]) -> None:
        """Start with nobody waiting; `on_left` is told when the last who waited for a message does so no more."""
        self._on_left = on_left
        self._waiting: dict[Key, set[asyncio.Future[bool]]] = defaultdict(set)
        self._patient: dict[int, set[asyncio.Future[bool]]] = defaultdict(set)
        """The same, by the moment up to which they wait."""
        self._count = 0

    def __len__(self) -> int:
        """Count the waiters."""
        return self._count

    def wait(self, key: Key, seconds: float) -> asyncio.Future[bool]:
        """Wait for the end of a message, at most so long; the future says whether it came. Raises TooManyError."""
        if self._count >= MOST_WAITERS:
            raise TooManyError
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        moment = math.ceil((loop.time() + seconds) * _MOMENTS_A_SECOND)
        if moment not in self._patient:
            loop.call_at(moment / _MOMENTS_A_SECOND, self._end, moment)
        self._patient[moment].add(woken)
        self._waiting[key].add(woken)
        self._count += 1
        # Whoever awaits it comes after this.
        woken.add_done_callback(partial(self._leave, key, moment))
        return woken

    def _end(self, moment: int) -> None:
        for woken in self._patient.pop(moment):
            if not woken.done():
                woken.set_result(False)

    def _leave(self, key: Key, moment: int, woken: asyncio.Future[bool]) -> None:
        self._count -= 1
        if moment in self._patient:
            self._patient[moment].discard(woken)
        waiting = self._waiting[key]
        waiting.discard(woken)
        if not waiting:
            del self._waiting[key]
            self._on_left(key)

    def waits(self, key: Key) -> bool:
        """Whether anybody waits for a message."""
        return key in self._waiting

    def wake(self, key: Key) -> None:
        """Wake all who wait for a message: its end is stored."""
        for woken in self._waiting.get(key, ()):
            if not woken.done():
                woken.set_result(True)

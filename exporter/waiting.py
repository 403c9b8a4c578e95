"""Who waits for the end of which message; each is woken once that end is stored, and nobody polls."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
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

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._waiting: dict[Key, dict[asyncio.Future[bool], int]] = defaultdict(dict)
        """And the moment up to which they wait."""
        self._patient: dict[int, set[asyncio.Future[bool]]] = defaultdict(set)
        """The same, by that moment."""
        self._count = 0

    def __len__(self) -> int:
        """Count the waiters."""
        return self._count

    def enter(self, key: Key, seconds: float) -> asyncio.Future[bool]:
        """Wait for the end of a message, at most so long; the future says whether it came, and must leave then.

        Raises TooManyError.
        """
        if self._count >= MOST_WAITERS:
            raise TooManyError
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        moment = math.ceil((loop.time() + seconds) * _MOMENTS_A_SECOND)
        if moment not in self._patient:
            loop.call_at(moment / _MOMENTS_A_SECOND, self._end, moment)
        self._patient[moment].add(woken)
        self._waiting[key][woken] = moment
        self._count += 1
        return woken

    def _end(self, moment: int) -> None:
        for woken in self._patient.pop(moment):
            if not woken.done():
                woken.set_result(False)

    def leave(self, key: Key, woken: asyncio.Future[bool]) -> None:
        """Wait no more, whether the end came or not."""
        self._count -= 1
        waiting = self._waiting[key]
        moment = waiting.pop(woken)
        if moment in self._patient:
            self._patient[moment].discard(woken)
        if not waiting:
            del self._waiting[key]

    def waits(self, key: Key) -> bool:
        """Whether anybody waits for a message."""
        return key in self._waiting

    def wake(self, key: Key) -> None:
        """Wake all who wait for a message: its end is stored."""
        for woken in self._waiting.get(key, ()):
            if not woken.done():
                woken.set_result(True)

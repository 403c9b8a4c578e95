"""Who waits for the end of which message; each is woken once that end is stored, and nobody polls."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable
from typing import Final

MOST_WAITERS: Final = 10_000
_MOMENTS_A_SECOND: Final = 20

Key = tuple[str, str]
"""Account and message id."""


class TooManyError(Exception):
    """As many wait already as may."""


class Waiters:
    """The waiting callers, by message.

    Thousands of them wait, so a waiter is one future: a coroutine and a timer of its own would be a kilobyte more. Who
    enters must leave.
    """

    def __init__(self, on_enter: Callable[[Key], bool], on_left: Callable[[Key], None]) -> None:
        """Start with nobody waiting.

        `on_enter` is told of each who begins to wait, and says whether there is anything to wait for; `on_left` that
        nobody waits for a message any more.
        """
        self._on_enter = on_enter
        self._on_left = on_left
        self._patient: dict[int, set[asyncio.Future[bool]]] = defaultdict(set)
        """Everybody by the moment up to which they wait."""
        self._waiting: dict[Key, dict[asyncio.Future[bool], set[asyncio.Future[bool]]]] = defaultdict(dict)
        """Everybody by message, each with those of the same moment."""
        self._count = 0

    def __len__(self) -> int:
        """Count the waiters."""
        return self._count

    def enter(self, key: Key, seconds: float) -> asyncio.Future[bool]:
        """Wait for the end of a message, at most so long; the future says whether it came. Raises TooManyError."""
        if self._count >= MOST_WAITERS:
            raise TooManyError
        loop = asyncio.get_running_loop()
        worth = self._on_enter(key)
        woken: asyncio.Future[bool] = loop.create_future()
        moment = math.ceil((loop.time() + seconds) * _MOMENTS_A_SECOND)
        if moment not in self._patient:
            loop.call_at(moment / _MOMENTS_A_SECOND, self._end, moment)
        patient = self._waiting[key][woken] = self._patient[moment]
        patient.add(woken)
        self._count += 1
        if not worth:
            woken.set_result(True)
        return woken

    def _end(self, moment: int) -> None:
        for woken in self._patient.pop(moment):
            if not woken.done():
                woken.set_result(False)

    def leave(self, key: Key, woken: asyncio.Future[bool]) -> None:
        """Wait no more, whether the end came or not."""
        self._count -= 1
        waiting = self._waiting[key]
        waiting.pop(woken).discard(woken)
        if not waiting:
            del self._waiting[key]
            self._on_left(key)

    def wake(self, key: Key) -> None:
        """Wake all who wait for a message: its end is stored."""
        for woken in self._waiting.get(key, ()):
            if not woken.done():
                woken.set_result(True)

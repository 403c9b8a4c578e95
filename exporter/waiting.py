"""Who waits for the end of which message; each is woken once that end is stored, and nobody polls."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

MOST_WAITERS: Final = 10_000

Key = tuple[str, str]
"""Account and message id."""


class TooManyError(Exception):
    """As many wait already as may."""


class Waiters:
    """The waiting callers, by message."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._waiting: dict[Key, set[asyncio.Future[bool]]] = defaultdict(set)
        self._count = 0

    def __len__(self) -> int:
        """Count the waiters."""
        return self._count

    async def wait(self, key: Key, seconds: float) -> bool:
        """Wait for the end of a message, at most so long; returns whether it came. Raises TooManyError."""
        if self._count >= MOST_WAITERS:
            raise TooManyError
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[bool] = loop.create_future()
        # asyncio.timeout takes twice the time and memory of a plain timer.
        timer = loop.call_later(seconds, _end, woken, False)  # noqa: FBT003 (the result)
        self._waiting[key].add(woken)
        self._count += 1
        try:
            return await woken
        finally:
            timer.cancel()
            self._leave(key, woken)

    def _leave(self, key: Key, woken: asyncio.Future[bool]) -> None:
        self._count -= 1
        waiting = self._waiting[key]
        waiting.discard(woken)
        if not waiting:
            del self._waiting[key]

    def waits(self, key: Key) -> bool:
        """Whether anybody waits for a message."""
        return key in self._waiting

    def wake(self, key: Key) -> None:
        """Wake all who wait for a message: its end is stored."""
        for woken in self._waiting.get(key, ()):
            _end(woken, True)  # noqa: FBT003 (the result)


def _end(woken: asyncio.Future[bool], ended: bool) -> None:  # noqa: FBT001 (a callback's argument)
    if not woken.done():
        woken.set_result(ended)

"""Messages whose end a webhook announced, in the order in which they may be asked about, by real time."""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array


class Urgent:
    """One call about each tells all about it, its money included; no campaign may be in its way."""

    def __init__(self, due_at: array[float]) -> None:
        """Start empty; `due_at` is the column that says which entries still hold."""
        self._due_at = due_at
        self._waiting: list[tuple[float, int, int]] = []
        """Due time, order of coming, slot."""
        self._order = count()

    def enter(self, slot: int, due_at: float) -> None:
        """Queue a message, and take it out of wherever it waits."""
        self._due_at[slot] = due_at
        heapq.heappush(self._waiting, (due_at, next(self._order), slot))

    def head(self) -> float:
        """Return when the first message is due, infinity for none."""
        while self._waiting:
            at, _, slot = self._waiting[0]
            if self._due_at[slot] == at:
                return at
            heapq.heappop(self._waiting)
        return math.inf

    def pop(self) -> tuple[float, int]:
        """Take the message that `head` found: when it was due, and its slot."""
        at, _, slot = heapq.heappop(self._waiting)
        return at, slot

    def backlog(self, now: float) -> int:
        """Count those that are due and wait."""
        return sum(at <= now and self._due_at[slot] == at for at, _, slot in self._waiting)

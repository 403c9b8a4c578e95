"""Holds a million timers cheaply: slots by the second in which they are due, four bytes each."""

from __future__ import annotations

import heapq
from array import array


class Wheel:
    """Slots by whole second; an entry is never taken back, so its reader checks that it still holds."""

    __slots__ = ("_seconds", "_slots")

    def __init__(self) -> None:
        """Start with no entry."""
        self._slots: dict[int, array[int]] = {}
        self._seconds: list[int] = []

    def add(self, second: int, slot: int) -> None:
        """Enter a slot under a second."""
        slots = self._slots.get(second)
        if slots is None:
            slots = self._slots[second] = array("I")
            heapq.heappush(self._seconds, second)
        slots.append(slot)

    def first(self) -> int | None:
        """Return the earliest second that has entries."""
        return self._seconds[0] if self._seconds else None

    def pop(self) -> array[int]:
        """Take the entries of the earliest second."""
        return self._slots.pop(heapq.heappop(self._seconds))

    def before(self, second: int) -> int:
        """Count the entries of earlier seconds."""
        return sum(len(slots) for at, slots in self._slots.items() if at < second)

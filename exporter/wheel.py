"""Holds a million timers cheaply: slots by the second in which they are due, four bytes each."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable
from typing import Final

_SPAN_BITS: Final = 8
"""Slots lie by spans of 256 seconds until their span begins: a million of them are due in 100,000 different seconds."""


class Wheel:
    """Slots by the whole second of their time.

    An entry is never taken back: one whose time has changed since it was made does not come out at its old time.
    """

    __slots__ = ("_near", "_opened", "_spans", "_times")

    def __init__(self, times: array[float] | array[int]) -> None:
        """Start with no entry; `times` is the column of each slot's time, Unix seconds."""
        self._times = times
        self._near = _Ordered()
        self._spans = _Ordered()
        self._opened = -1
        """Up to this span, slots are entered by second."""

    def add(self, slot: int) -> None:
        """Enter a slot under its time."""
        second = int(self._times[slot])
        span = second >> _SPAN_BITS
        if span <= self._opened:
            self._near.add(second, slot)
        else:
            self._spans.add(span, slot)

    def first(self) -> int | None:
        """Return the earliest second that has entries."""
        while (span := self._spans.first()) is not None:
            second = self._near.first()
            if second is not None and second < span << _SPAN_BITS:
                return second
            self._open(span)
        return self._near.first()

    def _open(self, span: int) -> None:
        """Sort a span's slots by second."""
        self._opened = max(self._opened, span)
        for slot in self._spans.pop(span):
            second = int(self._times[slot])
            if second >> _SPAN_BITS == span:
                self._near.add(second, slot)

    def pop(self) -> list[int]:
        """Take the entries of the second that `first` returned, those that still hold."""
        second, times = self._near.first(), self._times
        return [] if second is None else [slot for slot in self._near.pop(second) if int(times[slot]) == second]

    def before(self, second: int) -> int:
        """Count the entries of earlier seconds."""
        self._open(second >> _SPAN_BITS)
        return self._near.before(second) + self._spans.before(second >> _SPAN_BITS)


class _Ordered:
    """Slots by number, the lowest number first."""

    __slots__ = ("_numbers", "_slots")

    def __init__(self) -> None:
        self._slots: dict[int, array[int]] = {}
        self._numbers: list[int] = []

    def add(self, number: int, slot: int) -> None:
        slots = self._slots.get(number)
        if slots is None:
            slots = self._slots[number] = array("I")
            heapq.heappush(self._numbers, number)
        slots.append(slot)

    def first(self) -> int | None:
        while self._numbers and self._numbers[0] not in self._slots:
            heapq.heappop(self._numbers)
        return self._numbers[0] if self._numbers else None

    def pop(self, number: int) -> Iterable[int]:
        return self._slots.pop(number, ())

    def before(self, number: int) -> int:
        return sum(len(slots) for at, slots in self._slots.items() if at < number)

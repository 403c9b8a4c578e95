"""The messages of one polling entry by due time, stretched when the budget is short."""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from operator import itemgetter
from typing import Final

import msgspec

from exporter.columns import FREE, WAITED, Columns
from exporter.schedule import Pace, gap
from exporter.wheel import Wheel

_DEMAND_UNIT: Final = 1_000_000
"""Demand is kept in polls per million seconds: whole numbers add up and come back to 0 without drift."""


class Lane:
    """The messages of one polling entry, by due time.

    While the lane is stretched its clock stands still between polls: a message enters at the lane's time plus
    its gap, so that all gaps grow by one factor and the polls follow each other as fast as the share allows.
    """

    __slots__ = (
        "_columns",
        "_due_at",
        "_near",
        "_near_second",
        "_next",
        "_now",
        "_wheel",
        "demand",
        "hurried",
        "pace",
        "served_at",
        "share",
    )

    def __init__(self, pace: Pace, columns: Columns) -> None:
        """Start empty; the column `due_at` says which entries still hold."""
        self.pace = pace
        self.hurried = msgspec.structs.replace(pace, backoff=1.0)
        """How a message is polled while somebody waits for its end."""
        self.demand = 0
        self.share = math.inf
        self.served_at = 0.0
        self._columns = columns
        self._due_at = columns.due_at
        self._wheel = Wheel(columns.due_at)
        self._near: list[tuple[float, int]] = []
        """Who is due by the end of the current second, in order: time, slot."""
        self._next = 0
        """The place of the first in `_near` that was not taken yet."""
        self._near_second = 0
        self._now = 0.0

    @property
    def demand_per_second(self) -> float:
        """Polls a second that the lane asks for, before edges and unstretched."""
        return self.demand / _DEMAND_UNIT

    @property
    def stretched(self) -> bool:
        """Whether the lane asks for more than its share."""
        return self.demand_per_second > self.share

    def pace_of(self, slot: int) -> Pace:
        """Return how a message is polled now."""
        return self.hurried if self._columns.flags[slot] & WAITED else self.pace

    def gap_of(self, slot: int) -> float:
        """Return the gap of rule 1 that a message is in."""
        polled_at, pace = self._columns.polled_at[slot], self.pace_of(slot)
        return gap(pace, polled_at - self._columns.sent_at[slot]) if polled_at else pace.first

    def ask(self, slot: int, gap_seconds: float) -> None:
        """Note the gap at which a message asks to be polled from now on, infinity for not at all."""
        demand = int(_DEMAND_UNIT / gap_seconds)
        self.demand += demand - self._columns.demand[slot]
        self._columns.demand[slot] = demand

    def enter(self, slot: int, due_at: float, gap_seconds: float, now: float) -> None:
        """Queue a message for `due_at`, or in a stretched lane for a gap after the lane's own time."""
        at = min(due_at, self.time(now) + gap_seconds) if self.stretched else due_at
        self.put(slot, at)

    def put(self, slot: int, at: float) -> None:
        """Queue a message for a time as it is."""
        self._due_at[slot] = at
        if int(at) <= self._near_second:
            insort(self._near, (at, slot), lo=self._next)
        else:
            self._wheel.add(slot)

    def time(self, now: float) -> float:
        """Return the lane's own time: now, or the due time of the first message that waits."""
        head = self.head(now)
        self._now = now if head is None or head > now else max(self._now, head)
        return self._now

    def head(self, now: float) -> float | None:
        """Return when the first message is due, looking no further ahead than the current second."""
        due_at, near = self._due_at, self._near
        while True:
            while self._next < len(near):
                at, slot = near[self._next]
                if due_at[slot] == at:
                    return at
                self._next += 1
            second = self._wheel.first()
            if second is None:
                return None
            if second > now:
                return float(second)
            self._near_second, self._next = second, 0
            near[:] = sorted((due_at[slot], slot) for slot in self._wheel.pop())

    def pop(self) -> tuple[float, int]:
        """Take the message that `head` found."""
        at, slot = self._near[self._next]
        self._next += 1
        self._due_at[slot] = FREE
        self._now = max(self._now, at)
        return at, slot

    def backlog(self, now: float) -> int:
        """Count the polls that are due and wait."""
        near = bisect_right(self._near, now, lo=self._next, key=itemgetter(0)) - self._next
        waiting = self._wheel.before(int(now)) + near
        return min(waiting, int(max(0.0, now - self.served_at) * self.share)) if self.stretched else waiting

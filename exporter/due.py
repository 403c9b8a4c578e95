"""Who is polled next: one queue an account, a lane for each polling entry, stretched when the budget is short."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right, insort
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from exporter.columns import FREE, WAITED, Columns
from exporter.schedule import Pace, fair_shares, gap
from exporter.wheel import Wheel

_DEMAND_UNIT: Final = 1_000_000
"""Demand is kept in polls per million seconds: whole numbers add up and come back to 0 without drift."""
_SHARE_EVERY_SECONDS: Final = 0.1
_SKIPS_AT_ONCE: Final = 500
_BEHIND_SECONDS: Final = 0.05


class Turn(NamedTuple):
    """A message whose turn it is, and how late that is in seconds."""

    slot: int
    lag_seconds: float


class Lane:
    """The messages of one polling entry, by due time.

    While the lane is stretched its clock stands still between polls: a message enters at the lane's time plus
    its gap, so that all gaps grow by one factor and the polls follow each other as fast as the share allows.
    """

    __slots__ = (
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

    def __init__(self, pace: Pace, due_at: array[float]) -> None:
        """Start empty; `due_at` is the column that says which entries still hold."""
        self.pace = pace
        self.hurried = msgspec.structs.replace(pace, backoff=1.0)
        """How a message is polled while somebody waits for its end."""
        self.demand = 0
        self.share = math.inf
        self.served_at = 0.0
        self._due_at = due_at
        self._wheel = Wheel(due_at)
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


class DueQueue:
    """The lanes of one account."""

    def __init__(self, columns: Columns, paces: Sequence[Pace]) -> None:
        """Start empty, with a lane for each polling entry."""
        self.lanes = tuple(Lane(pace, columns.due_at) for pace in paces)
        self._columns = columns
        self.stretched = False
        """Whether any lane asks for more than its share."""
        self._shared_at = 0.0

    def enter(self, slot: int, lane: Lane, due_at: float, now: float) -> None:
        """Queue a message, and count what it asks for."""
        gap_seconds = self._gap(slot, lane)
        self._columns.ready_at[slot] = due_at
        self._ask(slot, lane, int(_DEMAND_UNIT / gap_seconds) if due_at - now <= gap_seconds * 2 else 0)
        # A retry too waits by the lane's own time: by the real one it would come after all that the lane is behind.
        lane.enter(slot, due_at, due_at - now if self._columns.failures[slot] else gap_seconds, now)

    def hurry(self, slot: int, lane: Lane, due_at: float, now: float) -> None:
        """Queue a message that waits already for `due_at`, unless its turn comes sooner where it is."""
        before = self._columns.due_at[slot]
        self.enter(slot, lane, due_at, now)
        if before < self._columns.due_at[slot]:
            lane.put(slot, before)

    def leave(self, slot: int, lane: Lane) -> None:
        """Forget a message."""
        self._ask(slot, lane, 0)
        self._columns.due_at[slot] = FREE

    def _ask(self, slot: int, lane: Lane, demand: int) -> None:
        lane.demand += demand - self._columns.demand[slot]
        self._columns.demand[slot] = demand

    def _gap(self, slot: int, lane: Lane) -> float:
        """Return the gap of rule 1 that the message is in."""
        polled_at, pace = self._columns.polled_at[slot], self.pace(slot, lane)
        return gap(pace, polled_at - self._columns.sent_at[slot]) if polled_at else pace.first

    def pace(self, slot: int, lane: Lane) -> Pace:
        """Return how a message is polled now."""
        return lane.hurried if self._columns.flags[slot] & WAITED else lane.pace

    def share(self, budget_per_second: float, now: float) -> None:
        """Share the budget among the lanes, at most ten times a second."""
        if now - self._shared_at < _SHARE_EVERY_SECONDS and now >= self._shared_at:
            return
        self._shared_at = now
        demands = tuple(lane.demand_per_second for lane in self.lanes)
        for lane, demand, share in zip(self.lanes, demands, fair_shares(demands, budget_per_second), strict=True):
            # A lane that fits may grow until the next sharing; the share of an empty one would be nothing.
            lane.share = share if share < demand else math.inf
        self.stretched = any(lane.stretched for lane in self.lanes)

    def take(self, now: float, *, spare: bool) -> Turn | None:
        """Return whose turn it is: in a lane that fits, else, with budget to spare, in a stretched one."""
        for lane in self.lanes if len(self.lanes) == 1 else self._in_turn(now):
            if (spare or not lane.stretched) and (popped := self._pop_ready(lane, now)) is not None:
                # Stretched polls follow each other: one is late when it begins after its lane's next turn.
                due_at = max(popped[0], lane.served_at + 1.0 / lane.share) if lane.stretched else popped[0]
                lane.served_at = now
                return Turn(popped[1], max(0.0, now - due_at))
        return None

    def _in_turn(self, now: float) -> list[Lane]:
        """Return the lanes in which somebody is due, in the order in which they are served."""
        waiting = [(head, lane) for lane in self.lanes if (head := lane.head(now)) is not None and head <= now]
        return [lane for _, lane in sorted(waiting, key=_by_turn(now))]

    def _pop_ready(self, lane: Lane, now: float) -> tuple[float, int] | None:
        """Take who is due; a lane that is or was stretched has a clock that is behind, and nobody is polled early."""
        for _ in range(_SKIPS_AT_ONCE):
            head = lane.head(now)
            if head is None or head > now:
                return None
            at, slot = lane.pop()
            ready_at = self._columns.ready_at[slot]
            if ready_at <= now:
                return max(at, ready_at), slot
            wait_seconds = min(ready_at - now, self._gap(slot, lane))
            lane.put(slot, at + wait_seconds if lane.stretched else ready_at)
        return None

    def next_at(self, now: float) -> tuple[float, float]:
        """Return when the first unstretched and the first stretched message is due, infinity for none."""
        timely = stretched = math.inf
        for lane in self.lanes:
            head = lane.head(now)
            if head is None:
                continue
            if lane.stretched:
                stretched = min(stretched, head)
            else:
                timely = min(timely, head)
        return timely, stretched

    def backlog(self, now: float) -> int:
        """Count the polls that are due and wait for budget."""
        return sum(lane.backlog(now) for lane in self.lanes)

    def demand_per_second(self) -> float:
        """Polls a second that the messages in flight ask for, before edges and unstretched."""
        return sum(lane.demand_per_second for lane in self.lanes)


def _by_turn(now: float) -> Callable[[tuple[float, Lane]], tuple[bool, bool, float]]:
    """Return the order in which lanes are served: those in time by due time, those behind in turn, then stretched ones.

    A lane is behind after a stretch, a pause, or an edge that a whole campaign has in common: that delays no other.
    """

    def key(waiting: tuple[float, Lane]) -> tuple[bool, bool, float]:
        head, lane = waiting
        behind = head <= now - _BEHIND_SECONDS
        return lane.stretched, behind, lane.served_at if behind or lane.stretched else head

    return key

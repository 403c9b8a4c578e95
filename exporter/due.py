"""Who is polled next: one queue an account, a lane for each polling entry, the budget shared among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from exporter.columns import CLAIMED, FREE, Columns
from exporter.lane import Lane
from exporter.schedule import Pace, fair_shares
from exporter.urgent import Urgent

_SHARE_EVERY_SECONDS: Final = 0.1
_SKIPS_AT_ONCE: Final = 500
_BEHIND_SECONDS: Final = 0.05


class Turn(NamedTuple):
    """A message whose turn it is, and how late that is in seconds."""

    slot: int
    lag_seconds: float


class DueQueue:
    """The lanes of one account."""

    def __init__(self, columns: Columns, paces: Sequence[Pace]) -> None:
        """Start empty, with a lane for each polling entry."""
        self.lanes = tuple(Lane(pace, columns) for pace in paces)
        self._urgent = Urgent(columns.due_at)
        self._urgent_next = True
        """Whether it is their turn when others are due too: they alternate, so that neither keeps the other waiting."""
        self._columns = columns
        self.stretched = False
        """Whether any lane asks for more than its share."""
        self._shared_at = 0.0

    def enter(self, slot: int, lane: Lane, due_at: float, now: float) -> None:
        """Queue a message, and count what it asks for."""
        gap_seconds = lane.gap_of(slot)
        self._columns.ready_at[slot] = due_at
        lane.ask(slot, gap_seconds if due_at - now <= gap_seconds * 2 else math.inf)
        if self._columns.flags[slot] & CLAIMED:
            self._urgent.enter(slot, due_at)
            return
        # A retry too waits by the lane's own time: by the real one it would come after all that the lane is behind.
        lane.enter(slot, due_at, due_at - now if self._columns.failures[slot] else gap_seconds, now)

    def hurry(self, slot: int, lane: Lane, due_at: float, now: float) -> None:
        """Queue a message that waits already for `due_at`, unless its turn comes sooner where it is."""
        before = self._columns.due_at[slot]
        self.enter(slot, lane, due_at, now)
        if before < self._columns.due_at[slot] and not self._columns.flags[slot] & CLAIMED:
            lane.put(slot, before)

    def leave(self, slot: int, lane: Lane) -> None:
        """Forget a message."""
        lane.ask(slot, math.inf)
        self._columns.due_at[slot] = FREE

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
        """Return whose turn it is: an announced end's, or in a lane that fits, or, with budget to spare, in another."""
        urgent = self._urgent.head() <= now
        turn = None if urgent and self._urgent_next else self._take_in_lanes(now, spare=spare)
        if turn is None and urgent:
            due_at, slot = self._urgent.pop()
            self._columns.due_at[slot] = FREE
            self._urgent_next = False
            return Turn(slot, now - due_at)
        self._urgent_next = True
        return turn

    def _take_in_lanes(self, now: float, *, spare: bool) -> Turn | None:
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
            wait_seconds = min(ready_at - now, lane.gap_of(slot))
            lane.put(slot, at + wait_seconds if lane.stretched else ready_at)
        return None

    def next_at(self, now: float) -> tuple[float, float]:
        """Return when the first unstretched and the first stretched message is due, infinity for none."""
        timely, stretched = self._urgent.head(), math.inf
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
        return self._urgent.backlog(now) + sum(lane.backlog(now) for lane in self.lanes)

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

"""What happens to a message as it ages without anybody asking: it matures, counts as old, and is given up."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from itertools import repeat
from typing import Final

from exporter.in_flight import InFlight
from exporter.wheel import Wheel

AGES: Final = (("1m", 60.0), ("5m", 300.0), ("1h", 3_600.0), ("6h", 21_600.0), ("1d", 86_400.0))
"""The ages by which messages in flight are counted: label, seconds."""
_SECONDS: Final = tuple(seconds for _, seconds in AGES)
_BIRTHDAYS: Final = (*_SECONDS, math.inf)


class Aging:
    """Wakes each message at its next birthday; and keeps count, so that no scrape has to."""

    def __init__(self, in_flight: InFlight, next_at: Callable[[int], float], had: Callable[[int, float], None]) -> None:
        """Take when something other than an age comes to a slot (Unix seconds), and what is to happen then."""
        self.older: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(AGES))
        """Messages in flight past each age, by account and channel."""
        self._in_flight = in_flight
        self._next_at = next_at
        self._had = had
        self._wheel = Wheel(in_flight.wake_at)

    def enter(self, slot: int, now: float) -> None:
        """Begin with a message."""
        self._in_flight.stage[slot] = 0
        self._grow_older(slot, now)
        self._wait(slot)

    def resume(self, now: float) -> None:
        """Go on with all that was in flight before a restart; each still needs to be counted, and its next birthday."""
        ages = map(now.__sub__, self._in_flight.sent_at)
        self._in_flight.stage[:] = array("B", map(bisect_right, repeat(_SECONDS), ages))

    def leave(self, slot: int) -> None:
        """Stop with a message whose slot is about to be freed."""
        self._in_flight.wake_at[slot] = 0.0
        self.count(self._in_flight.cohort[slot], range(self._in_flight.stage[slot]), -1)

    def again(self, slot: int) -> None:
        """Note that something comes to a message sooner than it did."""
        self._wait(slot)

    def tick(self, now: float) -> None:
        """Do all that is due."""
        while (second := self._wheel.first()) is not None and second <= now:
            for slot in self._wheel.pop():
                if self._in_flight.wake_at[slot] == second and not self._in_flight.ended(slot):
                    self._visit(slot, now)

    def _visit(self, slot: int, now: float) -> None:
        self._grow_older(slot, now)
        if self._next_at(slot) <= now:
            self._had(slot, now)
        if not self._in_flight.ended(slot):
            self._wait(slot)

    def _wait(self, slot: int) -> None:
        stage = self._in_flight.stage[slot]
        at = min(self._next_at(slot), self._in_flight.sent_at[slot] + _BIRTHDAYS[stage])
        self._in_flight.wake_at[slot] = at // 1.0 + 1.0
        self._wheel.add(slot)

    def _grow_older(self, slot: int, now: float) -> None:
        before = stage = self._in_flight.stage[slot]
        age = now - self._in_flight.sent_at[slot]
        while stage < len(AGES) and age >= _SECONDS[stage]:
            stage += 1
        self._in_flight.stage[slot] = stage
        self.count(self._in_flight.cohort[slot], range(before, stage), 1)

    def count(self, number: int, stages: range, by: int) -> None:
        """Count so many of a cohort (by number) as past the ages of these stages."""
        if stages:
            cohort = self._in_flight.cohorts[number]
            counts = self.older[cohort.account, cohort.channel]
            for stage in stages:
                counts[stage] += by

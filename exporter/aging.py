"""What happens to a message as it ages without anybody asking: it matures, counts as old, and is given up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final

from exporter.in_flight import InFlight
from exporter.wheel import Wheel

AGES: Final = (("1m", 60.0), ("5m", 300.0), ("1h", 3_600.0), ("6h", 21_600.0), ("1d", 86_400.0))
"""The ages by which messages in flight are counted: label, seconds."""
_SECONDS: Final = tuple(seconds for _, seconds in AGES)


class Aging:
    """Wakes each message at its next birthday; and keeps count, so that no scrape has to."""

    def __init__(self, in_flight: InFlight, next_at: Callable[[int], float], had: Callable[[int, float], None]) -> None:
        """Take when something other than an age comes to a slot (Unix seconds), and what is to happen then."""
        self.older: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(AGES))
        """Messages in flight past each age, by account and channel."""
        self._in_flight = in_flight
        self._next_at = next_at
        self._had = had
        self._wheel = Wheel()

    def enter(self, slot: int, now: float) -> None:
        """Begin with a message."""
        self._in_flight.stage[slot] = 0
        self._grow_older(slot, now)
        self._wait(slot)

    def leave(self, slot: int) -> None:
        """Stop with a message whose slot is about to be freed."""
        self._count(slot, range(self._in_flight.stage[slot]), -1)

    def again(self, slot: int) -> None:
        """Note that something comes to a message sooner than it did."""
        self._wait(slot)

    def tick(self, now: float) -> None:
        """Do all that is due."""
        while (second := self._wheel.first()) is not None and second <= now:
            for slot in self._wheel.pop():
                if not self._in_flight.ended(slot):
                    self._visit(slot, now)

    def _visit(self, slot: int, now: float) -> None:
        """An entry may be of a message that had the slot before: then nothing is due, and the new one has its own."""
        aged = self._grow_older(slot, now)
        had = self._next_at(slot) <= now
        if had:
            self._had(slot, now)
        if (aged or had) and not self._in_flight.ended(slot):
            self._wait(slot)

    def _wait(self, slot: int) -> None:
        stage = self._in_flight.stage[slot]
        at = self._next_at(slot)
        if stage < len(AGES):
            at = min(at, self._in_flight.sent_at[slot] + _SECONDS[stage])
        self._wheel.add(int(at) + 1, slot)

    def _grow_older(self, slot: int, now: float) -> bool:
        before = stage = self._in_flight.stage[slot]
        age = now - self._in_flight.sent_at[slot]
        while stage < len(AGES) and age >= _SECONDS[stage]:
            stage += 1
        self._in_flight.stage[slot] = stage
        self._count(slot, range(before, stage), 1)
        return stage > before

    def _count(self, slot: int, stages: range, by: int) -> None:
        if stages:
            cohort = self._in_flight.cohorts[self._in_flight.cohort[slot]]
            counts = self.older[cohort.account, cohort.channel]
            for stage in stages:
                counts[stage] += by

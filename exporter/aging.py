"""What happens to a message as it ages without anybody asking: it matures, counts as old, and is given up."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import repeat
from typing import Final

from exporter.columns import ENDED, MATURED
from exporter.in_flight import InFlight
from exporter.lifecycle import UNOBSERVED_AFTER_SECONDS
from exporter.plan import Rules
from exporter.wheel import Wheel

AGES: Final = (("1m", 60.0), ("5m", 300.0), ("1h", 3_600.0), ("6h", 21_600.0), ("1d", 86_400.0))
"""The ages by which messages in flight are counted: label, seconds."""
_SECONDS: Final = tuple(seconds for _, seconds in AGES)
_BIRTHDAYS: Final = (*_SECONDS, math.inf)


class Aging:
    """Wakes each message at its next birthday; and keeps count, so that no scrape has to."""

    def __init__(self, in_flight: InFlight, rules: Rules) -> None:
        """Take what the configuration says of each message."""
        self.older: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(AGES))
        """Messages in flight past each age, by account and channel."""
        self._cohorts = in_flight.cohorts
        self._columns = in_flight.columns
        self._rules = rules
        self._postponed: dict[int, float] = {}
        """When to look again at messages that should be given up, but can still be asked, by slot."""
        self._held: dict[int, float] = {}
        """Until when nothing happens to messages whose end is announced, by slot."""
        self._wheel = Wheel(in_flight.columns.wake_at)

    def enter(self, slot: int, now: float) -> None:
        """Begin with a message; one that was begun with already is not counted again."""
        if self._columns.wake_at[slot]:
            self.again(slot)
            return
        self._columns.stage[slot] = 0
        self._grow_older(slot, now)
        self.again(slot)

    def resume(self, now: float) -> None:
        """Go on with all that was in flight before a restart; each still needs to be counted, and its next birthday."""
        ages = map(now.__sub__, self._columns.sent_at)
        self._columns.stage[:] = array("B", map(bisect_right, repeat(_SECONDS), ages))

    def leave(self, slot: int) -> None:
        """Stop with a message whose slot is about to be freed."""
        self._columns.wake_at[slot] = 0.0
        self._postponed.pop(slot, None)
        self._held.pop(slot, None)
        self.count(self._columns.cohort[slot], range(self._columns.stage[slot]), -1)

    def tick(self, now: float) -> Iterator[int]:
        """Do all that is due, and yield each message that matures or is to be given up now."""
        while (second := self._wheel.first()) is not None and second <= now:
            for slot in self._wheel.pop():
                if self._columns.wake_at[slot] != second or self._columns.has(slot, ENDED):
                    continue
                self._grow_older(slot, now)
                if self._next_at(slot) <= now:
                    yield slot
                if not self._columns.has(slot, ENDED):
                    self.again(slot)

    def again(self, slot: int) -> None:
        """Have a message wait for its next birthday, which may come sooner than it did."""
        birthday = self._columns.sent_at[slot] + _BIRTHDAYS[self._columns.stage[slot]]
        # Until the last birthday nobody is given up but parked ones: the usual case is worth a short cut.
        young = birthday < math.inf and slot not in self._held and self._rules.place(slot) is not None
        at = min(self.matures_at(slot) if young else self._next_at(slot), birthday)
        self._columns.wake_at[slot] = at // 1.0 + 1.0
        self._wheel.add(slot)

    def postpone(self, slot: int, until: float) -> None:
        """Do not give a message up before this moment."""
        self._postponed[slot] = until

    def hold(self, slot: int, until: float | None) -> None:
        """Let nothing happen to a message before this moment, and then yield it; None lets it go on."""
        if until is None:
            self._held.pop(slot, None)
        else:
            self._held[slot] = until
        if self._columns.wake_at[slot]:
            self.again(slot)

    def _next_at(self, slot: int) -> float:
        """Return when time alone changes something about a message."""
        if slot in self._held:
            return self._held[slot]
        return min(self.matures_at(slot), self.given_up_at(slot))

    def matures_at(self, slot: int) -> float:
        """Return when a message is judged for the delivery rate; infinity when it was."""
        if self._columns.has(slot, MATURED):
            return math.inf
        return self._columns.sent_at[slot] + self._rules.mature_seconds(slot)

    def given_up_at(self, slot: int) -> float:
        """A parked message is abandoned at its deadline; another is given up a day later, if nobody can be asked."""
        deadline_at = self._rules.deadline_at(slot)
        if self._rules.place(slot) is None:
            return deadline_at
        return max(deadline_at + UNOBSERVED_AFTER_SECONDS, self._postponed.get(slot, 0.0))

    def _grow_older(self, slot: int, now: float) -> None:
        before = stage = self._columns.stage[slot]
        age = now - self._columns.sent_at[slot]
        while stage < len(AGES) and age >= _SECONDS[stage]:
            stage += 1
        self._columns.stage[slot] = stage
        self.count(self._columns.cohort[slot], range(before, stage), 1)

    def count(self, number: int, stages: range, by: int) -> None:
        """Count so many of a cohort (by number) as past the ages of these stages."""
        if stages:
            cohort = self._cohorts[number]
            counts = self.older[cohort.account, cohort.channel]
            for stage in stages:
                counts[stage] += by

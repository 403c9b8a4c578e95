"""The messages in flight as columns: all that is known about one, its id included, in under 350 bytes."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

FREE: Final = -1.0
"""The due time of a slot that is not waiting for a poll."""
UNSTORED: Final = -2.0
"""The due time of a message whose acceptance is not stored yet."""
UNPLACED: Final = -3.0
"""The due time of a message that nobody has given a place yet, after a restart or a reload."""

MATURED: Final = 1
"""The message was judged for the delivery rate."""
LISTED: Final = 2
"""The message stands in the configuration's `messages`."""
ENDED: Final = 4
"""The message ended, or the slot is free."""
WAITED: Final = 8
"""Somebody waits for the end of the message."""
CLAIMED: Final = 16
"""A webhook announced the end of the message, and the API has not said yet."""
_MORE_SLOTS: Final = 1024
"""How many are added at once: to add one by one takes longer than to fill it."""
SAMPLED: Final = 32
"""A trace is made of the message."""
STORED: Final = MATURED | LISTED | SAMPLED
"""The flags that the store keeps; their numbers never change."""


class Columns:
    """One slot a message; `_at` columns are Unix seconds, 0.0 where it has not happened."""

    def __init__(self) -> None:
        """Start without slots."""
        self.ids: list[str] = []
        self.seq = array("q")
        self.cohort = array("I")
        self.sent_at = array("d")
        self.accepted_at = array("d")
        self.ttl = array("d")
        self.in_flight_at = array("d")
        self.answered_at = array("d")
        self.other_at = array("d")
        self.polled_at = array("d")
        self.due_at = array("d")
        self.ready_at = array("d")
        self.wake_at = array("d")
        self.demand = array("I")
        self.polls = array("I")
        self.status = array("B")
        self.seen = array("B")
        self.flags = array("B")
        self.failures = array("B")
        self.stage = array("B")
        self._free: list[int] = []

    def __len__(self) -> int:
        """Count the slots."""
        return len(self.ids)

    @property
    def free(self) -> int:
        """Count the slots that are nobody's."""
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Return so many free slots, there are always enough; of what becomes of a message they know nothing."""
        missing = count - len(self._free)
        if missing > 0:
            first = self.grow(max(missing, _MORE_SLOTS))
            for slot in reversed(range(first, len(self))):
                self.flags[slot], self.due_at[slot] = ENDED, FREE
                self._free.append(slot)
        left = len(self._free) - count
        slots = self._free[left:]
        del self._free[left:]
        # The lowest of new ones first: who comes first stands first.
        slots.reverse()
        return slots

    def release(self, slot: int) -> None:
        """Free a slot, and forget what became of its message."""
        self.ids[slot] = ""
        self.flags[slot] = ENDED
        self.due_at[slot] = FREE
        self.status[slot] = self.seen[slot] = self.failures[slot] = self.stage[slot] = 0
        # Whoever still has the number of its message, as a call under way, finds it gone.
        self.seq[slot] = self.polls[slot] = self.demand[slot] = 0
        self.in_flight_at[slot] = self.answered_at[slot] = self.other_at[slot] = self.polled_at[slot] = 0.0
        self._free.append(slot)

    def grow(self, count: int) -> int:
        """Add so many slots of zeros at once and return the first."""
        first = len(self.ids)
        self.ids.extend([""] * count)
        for column in vars(self).values():
            if isinstance(column, array):
                column.frombytes(bytes(column.itemsize * count))
        return first

    def fill(self, first: int, ids: Sequence[str], columns: Mapping[str, Sequence[float]]) -> None:
        """Write many slots side by side, from `first` on; a column that `columns` does not name stays as it is."""
        self.ids[first : first + len(ids)] = ids
        for name, values in columns.items():
            column = getattr(self, name)
            # Three times as fast as a slice of a new array.
            struct.pack_into(f"{len(ids)}{column.typecode}", column, first * column.itemsize, *values)

    def has(self, slot: int, flag: int) -> bool:
        """Whether a slot has a flag."""
        return self.flags[slot] & flag != 0

    def mark(self, slot: int, flag: int, *, on: bool = True) -> None:
        """Set a flag, or take it away."""
        self.flags[slot] = self.flags[slot] | flag if on else self.flags[slot] & ~flag

    def unplace(self) -> None:
        """Take every message that is stored out of its place; free slots too, which nobody places."""
        self.due_at[:] = array("d", [at if at == UNSTORED else UNPLACED for at in self.due_at])
        self.demand[:] = array("I", bytes(self.demand.itemsize * len(self.demand)))

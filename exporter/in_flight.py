"""The messages in flight, in columns: 36 characters of id and everything known in under 350 bytes each."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from exporter.message import Labels, Message, Status

FREE: Final = -1.0
"""The due time of a slot that is not waiting for a poll."""
UNSTORED: Final = -2.0
"""The due time of a message whose acceptance is not stored yet."""
UNPLACED: Final = -3.0
"""The due time of a message that nobody has given a place yet, after a restart or a reload."""
_STATUSES: Final = tuple(Status)
MATURED: Final = 1
LISTED: Final = 2
"""Flags of a message; the numbers are what the store keeps, so they never change."""
_ENDED: Final = 4


class Cohort(msgspec.Struct, frozen=True, gc=False):
    """What messages share; interned, so that each of them only carries a number."""

    account: str
    channel: str
    labels: Labels


class Cohorts:
    """Every cohort seen by this process, by number."""

    def __init__(self) -> None:
        """Start with none."""
        self._numbers: dict[Cohort, int] = {}
        self._cohorts: list[Cohort] = []

    def number(self, cohort: Cohort) -> int:
        """Return the cohort's number, the same each time."""
        number = self._numbers.get(cohort)
        if number is None:
            number = self._numbers[cohort] = len(self._cohorts)
            self._cohorts.append(cohort)
        return number

    def __getitem__(self, number: int) -> Cohort:
        """Return the cohort of a number."""
        return self._cohorts[number]

    def __len__(self) -> int:
        """Count the cohorts."""
        return len(self._cohorts)


class InFlight:
    """One slot a message; `_at` columns are Unix seconds, 0.0 where it has not happened."""

    def __init__(self, cohorts: Cohorts) -> None:
        """Start empty; `cohorts` numbers what messages share."""
        self.cohorts = cohorts
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
        self._traceparents: dict[int, str] = {}
        self._slots: dict[str, dict[str, int]] = {}
        self._free: list[int] = []
        self._reserved = 0
        """How many slots at the end were never used."""

    def __len__(self) -> int:
        """Count the messages in flight."""
        return len(self.ids) - self._reserved - len(self._free)

    def slots(self) -> Iterator[int]:
        """Yield every slot in use."""
        return (slot for slots in self._slots.values() for slot in slots.values())

    def find(self, account: str, message_id: str) -> int | None:
        """Return the slot of a message, or None when it is not in flight."""
        slots = self._slots.get(account)
        return None if slots is None else slots.get(message_id)

    def add(self, message: Message, seq: int) -> int:
        """Give a message a slot."""
        slot = self._free.pop() if self._free else self._grow()
        self.ids[slot] = message.id
        self.seq[slot] = seq
        self.cohort[slot] = self.cohorts.number(Cohort(message.account, message.channel, message.labels))
        self.sent_at[slot] = message.sent_at
        self.accepted_at[slot] = message.accepted_at
        self.ttl[slot] = message.ttl
        self.polled_at[slot] = max(message.answered_at, message.other_at)
        self.due_at[slot] = UNSTORED
        self.demand[slot] = self.failures[slot] = self.stage[slot] = 0
        self.flags[slot] = LISTED if message.listed else 0
        if message.traceparent is not None:
            self._traceparents[slot] = message.traceparent
        self._slots.setdefault(message.account, {})[message.id] = slot
        self.put(slot, message)
        return slot

    def reserve(self, count: int) -> None:
        """Make room for so many more messages at once: columns that grow step by step leave holes in memory."""
        self._reserved += count
        self.ids.extend([""] * count)
        for name in COLUMNS:
            column = getattr(self, name)
            column.frombytes(bytes(column.itemsize * count))

    def extend(
        self,
        ids: Sequence[str],
        columns: Mapping[str, Sequence[float]],
        traceparents: Sequence[str | None],
    ) -> None:
        """Give many messages new slots at once, without places; `index` comes after the last of them.

        A column that `columns` does not name is 0.
        """
        self.reserve(max(0, len(ids) - self._reserved))
        first = len(self.ids) - self._reserved
        where = slice(first, first + len(ids))
        self._reserved -= len(ids)
        self.ids[where] = ids
        for name, values in columns.items():
            column = getattr(self, name)
            # Three times as fast as a slice of a new array.
            struct.pack_into(f"{len(ids)}{column.typecode}", column, first * column.itemsize, *values)
        self.due_at[where] = array("d", (UNPLACED,)) * len(ids)
        if any(traceparents):
            self._traceparents.update((slot, text) for slot, text in enumerate(traceparents, start=first) if text)

    def index(self) -> None:
        """Let every message be found; a million at the end take less time than chunk by chunk."""
        accounts = [self.cohorts[number].account for number in range(len(self.cohorts))]
        slots = [self._slots.setdefault(account, {}) for account in accounts]
        for slot, (message_id, number) in enumerate(zip(self.ids, self.cohort, strict=True)):
            slots[number][message_id] = slot

    def unplace(self) -> None:
        """Take every message that is stored out of its place; free slots too, which nobody places."""
        self.due_at[:] = array("d", [at if at == UNSTORED else UNPLACED for at in self.due_at])
        self.demand[:] = array("I", bytes(self.demand.itemsize * len(self.demand)))

    def unplaced(self, slot: int) -> bool:
        """Whether a message is in flight, and nobody has given it a place yet."""
        return self.due_at[slot] == UNPLACED and not self.ended(slot)

    def resume(self, slot: int) -> None:
        """Make a message ready for a place; after a restart, its last answer stands for its last poll."""
        self.due_at[slot] = FREE
        self.polled_at[slot] = max(self.polled_at[slot], self.answered_at[slot], self.other_at[slot])

    def _grow(self) -> int:
        if not self._reserved:
            self.reserve(1)
        self._reserved -= 1
        return len(self.ids) - 1 - self._reserved

    def get(self, slot: int) -> Message:
        """Return the message of a slot."""
        cohort = self.cohorts[self.cohort[slot]]
        flags = self.flags[slot]
        # By position, in the order of the fields: by name it takes twice as long, and every poll does it.
        return Message(
            self.ids[slot],
            cohort.account,
            cohort.channel,
            self.sent_at[slot],
            self.accepted_at[slot],
            cohort.labels,
            self.ttl[slot],
            self._traceparents.get(slot) if self._traceparents else None,
            flags & LISTED != 0,
            _STATUSES[self.status[slot]],
            self.seen[slot],
            self.in_flight_at[slot],
            self.answered_at[slot],
            self.other_at[slot],
            flags & MATURED != 0,
            self.polls[slot],
        )

    def put(self, slot: int, message: Message) -> None:
        """Write what can change about a message back into its slot."""
        self.status[slot] = message.status
        self.seen[slot] = message.seen
        self.in_flight_at[slot] = message.in_flight_at
        self.answered_at[slot] = message.answered_at
        self.other_at[slot] = message.other_at
        self.polls[slot] = message.polls
        if message.matured:
            self.flags[slot] |= MATURED

    def end(self, slot: int) -> None:
        """Mark a message as ended: it keeps its slot until that is stored, and changes no more."""
        self.flags[slot] |= _ENDED
        self.due_at[slot] = FREE

    def mature(self, slot: int) -> None:
        """Mark a message as judged for the delivery rate."""
        self.flags[slot] |= MATURED

    def matured(self, slot: int) -> bool:
        """Whether a message was judged for the delivery rate."""
        return self.flags[slot] & MATURED != 0

    def listed(self, slot: int) -> bool:
        """Whether a message came from the configuration's `messages`."""
        return self.flags[slot] & LISTED != 0

    def list_as(self, slot: int, *, listed: bool) -> None:
        """Note whether a message stands in the configuration's `messages` now."""
        self.flags[slot] = self.flags[slot] & ~LISTED | (LISTED if listed else 0)

    def ended(self, slot: int) -> bool:
        """Whether a message ended, or the slot is free."""
        return self.flags[slot] & _ENDED != 0

    def remove(self, slot: int) -> None:
        """Free the slot of a message that ended."""
        account = self.cohorts[self.cohort[slot]].account
        del self._slots[account][self.ids[slot]]
        self._traceparents.pop(slot, None)
        self.ids[slot] = ""
        self.flags[slot] = _ENDED
        self.due_at[slot] = FREE
        self._free.append(slot)


COLUMNS: Final = (
    "seq",
    "cohort",
    "sent_at",
    "accepted_at",
    "ttl",
    "in_flight_at",
    "answered_at",
    "other_at",
    "polled_at",
    "due_at",
    "ready_at",
    "wake_at",
    "demand",
    "polls",
    "status",
    "seen",
    "flags",
    "failures",
    "stage",
)
"""The columns of a slot that are arrays."""

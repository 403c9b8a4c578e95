"""The messages in flight: which slot of the columns is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import msgspec

from exporter.columns import ENDED, FREE, LISTED, MATURED, SAMPLED, UNSTORED, Columns
from exporter.message import Labels, Message, Status

_STATUSES: Final = tuple(Status)


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
    """Gives each message a slot until it ends; a `Message` is made when one is looked at."""

    def __init__(self, cohorts: Cohorts) -> None:
        """Start empty; `cohorts` numbers what messages share."""
        self.cohorts = cohorts
        self.columns = Columns()
        self.traceparents: dict[int, str] = {}
        """Those of the messages that have one, by slot."""
        self._slots: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def __len__(self) -> int:
        """Count the messages in flight."""
        return len(self.columns) - self.columns.free

    def slots(self) -> Iterator[int]:
        """Yield every slot in use."""
        return (slot for slots in self._slots.values() for slot in slots.values())

    def find(self, account: str, message_id: str) -> int | None:
        """Return the slot of a message, or None when it is not in flight."""
        slots = self._slots.get(account)
        return None if slots is None else slots.get(message_id)

    def cohort(self, slot: int) -> Cohort:
        """Return what the message of a slot shares with others."""
        return self.cohorts[self.columns.cohort[slot]]

    def add(self, messages: Sequence[Message], first_seq: int) -> list[int]:
        """Give new messages slots, and numbers from `first_seq` on; returns the slots in the order of the messages."""
        columns, slots = self.columns, self.columns.take(len(messages))
        ids, seqs, cohorts, due_at, flags = columns.ids, columns.seq, columns.cohort, columns.due_at, columns.flags
        sent_at, accepted_at, ttl = columns.sent_at, columns.accepted_at, columns.ttl
        # Those that come together are mostly alike.
        last: tuple[str, str, Labels] | None = None
        cohort, own = 0, dict[str, int]()
        for slot, message, seq in zip(slots, messages, count(first_seq), strict=False):
            ids[slot] = message.id
            seqs[slot] = seq
            shared = (message.account, message.channel, message.labels)
            if shared != last:
                last, cohort, own = shared, self.cohorts.number(Cohort(*shared)), self._slots[message.account]
            cohorts[slot] = cohort
            sent_at[slot] = message.sent_at
            accepted_at[slot] = message.accepted_at
            ttl[slot] = message.ttl
            due_at[slot] = UNSTORED
            flags[slot] = message.listed * LISTED | message.sampled * SAMPLED
            if message.traceparent is not None:
                self.traceparents[slot] = message.traceparent
            own[message.id] = slot
        return slots

    def index(self) -> None:
        """Let all messages be found that were filled into the columns; once at the end is faster than as they come."""
        accounts = [self.cohorts[number].account for number in range(len(self.cohorts))]
        slots = [self._slots[account] for account in accounts]
        for slot, (message_id, number) in enumerate(zip(self.columns.ids, self.columns.cohort, strict=True)):
            slots[number][message_id] = slot

    def get(self, slot: int) -> Message:
        """Return the message of a slot."""
        columns, cohort = self.columns, self.cohort(slot)
        flags = columns.flags[slot]
        # By position, in the order of the fields: by name it takes twice as long, and every poll does it.
        return Message(
            columns.ids[slot],
            cohort.account,
            cohort.channel,
            columns.sent_at[slot],
            columns.accepted_at[slot],
            cohort.labels,
            columns.ttl[slot],
            self.traceparents.get(slot) if self.traceparents else None,
            flags & LISTED != 0,
            _STATUSES[columns.status[slot]],
            columns.seen[slot],
            columns.in_flight_at[slot],
            columns.answered_at[slot],
            columns.other_at[slot],
            flags & MATURED != 0,
            columns.polls[slot],
            flags & SAMPLED != 0,
        )

    def put(self, slot: int, message: Message) -> None:
        """Write what can change about a message back into its slot."""
        columns = self.columns
        columns.status[slot] = message.status
        columns.seen[slot] = message.seen
        columns.in_flight_at[slot] = message.in_flight_at
        columns.answered_at[slot] = message.answered_at
        columns.other_at[slot] = message.other_at
        columns.polls[slot] = message.polls
        if message.matured:
            columns.mark(slot, MATURED)

    def end(self, slot: int) -> None:
        """Mark a message as ended: it keeps its slot until that is stored, and changes no more."""
        self.columns.mark(slot, ENDED)
        self.columns.due_at[slot] = FREE

    def remove(self, slot: int) -> None:
        """Free the slot of a message that ended."""
        del self._slots[self.cohort(slot).account][self.columns.ids[slot]]
        self.traceparents.pop(slot, None)
        self.columns.release(slot)

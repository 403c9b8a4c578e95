"""The only writer: takes messages in, applies what is observed, and ends each of them once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import count
from typing import Final

from exporter import catalogue as metrics
from exporter import traced
from exporter.aging import Aging
from exporter.announced import Announced
from exporter.clock import Clock
from exporter.columns import CLAIMED, ENDED, MATURED, UNPLACED, UNSTORED, WAITED
from exporter.commit import Committer
from exporter.counting import Counting
from exporter.desk import Desk
from exporter.in_flight import InFlight
from exporter.lifecycle import advance, contradicts, matured_by
from exporter.logs import fields, without_phone
from exporter.message import (
    Anomaly,
    Ending,
    Failure,
    Maturity,
    Message,
    NotFound,
    Observation,
    Outcome,
    PollResult,
    StatusReport,
    Transition,
)
from exporter.missed import Missed
from exporter.placing import Placing
from exporter.plan import Plan
from exporter.records import abandoned_row, finished_row, in_flight_row
from exporter.traced import Traced
from exporter.waiting import Key, Waiters

_log: Final = logging.getLogger(__name__)


class Tracker:
    """Every change of a message goes through here; what it changes is stored before it shows."""

    def __init__(self, in_flight: InFlight, plan: Plan, counting: Counting, committer: Committer, clock: Clock) -> None:
        """Take the messages in flight, where they wait, how they count, and the way into the store."""
        self.in_flight = in_flight
        self.plan = plan
        self.counting = counting
        self.aging = Aging(in_flight, plan.rules)
        self.announced = Announced(in_flight, committer, self.aging)
        self.traced = Traced(in_flight, committer)
        self.missed = Missed(self.announced.meter)
        self.placing = Placing(in_flight.columns, plan, self.aging)
        self.waiters = Waiters(self._hurry, self._unhurry)
        self._committer = committer
        self._clock = clock
        self._ended: dict[int, Outcome] = {}
        """The outcomes of messages that ended and whose end is not stored yet, by sequence number."""

    def track(self, messages: Sequence[Message], first_seq: int) -> None:
        """Take in messages that nobody tracks, numbered from `first_seq` on; they are polled once they are stored."""
        slots = self.in_flight.add(messages, first_seq)
        changes = self._committer.changes
        changes.accepted.extend(map(in_flight_row, messages, count(first_seq)))
        self.counting.accepted(changes.tally, messages)
        changes.then.append(lambda: self.placing.welcome(slots, self._clock.now()))
        self._committer.soon()

    def apply(self, slot: int, seq: int, observed: Observation, desk: Desk) -> PollResult:
        """Apply what one call brought about message `seq`; returns what the call counts as."""
        if self.in_flight.columns.seq[slot] != seq or self.in_flight.columns.has(slot, ENDED):
            return self._too_late(seq, desk.account, observed)
        before = self.in_flight.get(slot)
        transition = advance(before, observed, self.plan.rules.terms(slot, desk))
        if self.in_flight.columns.has(slot, CLAIMED):
            transition = self.announced.judge(slot, transition, observed)
        changed = self.change(slot, before, transition)
        return _result(observed, changed=changed)

    def change(self, slot: int, before: Message, transition: Transition) -> bool:
        """Make a transition, whatever brought it about; returns whether the message's status changed, or it ended."""
        self.in_flight.put(slot, transition.message)
        self.counting.advanced(self._committer.changes.tally, before, transition, traced=self.traced.samples(slot))
        self.traced.step(slot, transition.seen, self._clock.now())
        if transition.ending is not None:
            self._end(slot, transition.message, transition.ending)
        else:
            self._committer.changes.progressed[slot] = None
        changed = transition.ending is not None or transition.message.status is not before.status
        if changed or transition.anomalies:
            self._committer.soon()
        else:
            self._committer.later()
        return changed

    def mature(self, slot: int, result: Maturity, now: float) -> None:
        """Judge a message in flight for the delivery rate."""
        self.counting.matured(self._committer.changes.tally, self.in_flight.get(slot), result, now)
        self.in_flight.columns.mark(slot, MATURED)
        self._committer.changes.progressed[slot] = None
        self._committer.soon()

    def _too_late(self, seq: int, account: str, observed: Observation) -> PollResult:
        """A message that ended while it was being asked about changes no more; a contradiction is counted."""
        outcome = self._ended.get(seq)
        if (
            outcome is not None
            and isinstance(observed.reading, StatusReport)
            and contradicts(outcome, observed.reading)
        ):
            anomaly = Anomaly.CONFLICTING_FINAL_STATUS.value
            self._committer.changes.tally.count(metrics.ANOMALIES, account, anomaly)
            self._committer.soon()
        return _result(observed, changed=False)

    def abandon(self, slot: int) -> None:
        """Stop tracking a message: it counts as abandoned, has no outcome, and is remembered like one that ended."""
        message = self.in_flight.get(slot)
        changes = self._committer.changes
        self.counting.abandoned(changes.tally, message)
        changes.finished.append(abandoned_row(message, self._clock.now()))
        self.traced.leave(slot, message, None, self._clock.now())
        self._remove(slot)

    def _end(self, slot: int, message: Message, ending: Ending) -> None:
        changes = self._committer.changes
        if not message.matured:
            self.counting.matured(changes.tally, message, matured_by(ending.outcome), ending.at)
        changes.finished.append(finished_row(message, ending, self.counting.currencies.get(message.account)))
        self._ended[self.in_flight.columns.seq[slot]] = ending.outcome
        self.traced.leave(slot, message, ending, message.sent_at + ending.upper_seconds)
        announced = self._remove(slot)
        if not announced and message.status.final:
            self.missed.expect(message.account, message.id, ending.at)

    def _remove(self, slot: int) -> bool:
        """Let go of a message, whose slot stays taken until that is stored; returns whether its end was announced."""
        changes, announced = self._committer.changes, self.announced.leave(slot)
        waits = self.in_flight.columns.due_at[slot] not in {UNSTORED, UNPLACED}
        self.in_flight.end(slot)
        if waits:
            self.plan.leave(slot)
        changes.progressed.pop(slot, None)
        changes.removed.append(self.in_flight.columns.seq[slot])
        changes.then.append(lambda: self._free(slot))
        self._committer.soon()
        return announced

    def _free(self, slot: int) -> None:
        outcome = self._ended.pop(self.in_flight.columns.seq[slot], None)
        if _log.isEnabledFor(logging.DEBUG):
            word, message = "abandoned" if outcome is None else outcome.value, self.in_flight.get(slot)
            told = fields(id=without_phone(message.id), outcome=word, **traced.fields(message))
            _log.debug("a message ended", extra=told)
        self.aging.leave(slot)
        key = (self.in_flight.cohort(slot).account, self.in_flight.columns.ids[slot])
        self.in_flight.remove(slot)
        self.waiters.wake(key)

    async def wait(self, account: str, message_id: str, seconds: float) -> bool:
        """Wait until a message in flight has ended and that is stored, at most so long; it is polled more often.

        Returns whether it ended. Raises TooManyError.
        """
        key = (account, message_id)
        woken = self.waiters.enter(key, seconds)
        try:
            return await woken
        finally:
            self.waiters.leave(key, woken)

    def _hurry(self, key: Key) -> bool:
        """Poll a message more often, and say whether it is in flight at all."""
        slot = self.in_flight.find(*key)
        if slot is not None and not self.in_flight.columns.flags[slot] & (ENDED | WAITED):
            self.plan.hurry(slot, WAITED, self._clock.now())
        return slot is not None

    def _unhurry(self, key: Key) -> None:
        slot = self.in_flight.find(*key)
        if slot is not None:
            self.in_flight.columns.mark(slot, WAITED, on=False)


def _result(observed: Observation, *, changed: bool) -> PollResult:
    reading = observed.reading
    if isinstance(reading, Failure):
        return reading.result
    if isinstance(reading, NotFound):
        return PollResult.NOT_FOUND
    return PollResult.CHANGED if changed else PollResult.UNCHANGED

"""Lets everybody know what one status call brought: the budget, the credentials, the message, the meter, the plan."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.client import NoResponse, Response, retry_after_seconds
from exporter.columns import CLAIMED, ENDED
from exporter.logs import fields
from exporter.message import Failure, Message, NotFound, Observation, PollResult, Reading, StatusReport
from exporter.reading import StatusWords, read
from exporter.trace_ids import TraceIds, trace_id
from exporter.traced import PollTrace

if TYPE_CHECKING:
    from exporter.client import Credentials
    from exporter.desk import Desk
    from exporter.tracker import Tracker

_log: Final = logging.getLogger(__name__)
_MOST_FAILURES: Final = 255


class Call(NamedTuple):
    """One call that ended; who makes it has booked it with the budget and taken its message out of the plan."""

    slot: int | None
    """None for a message that nobody tracks."""
    seq: int
    message_id: str
    started_at: float
    arrived_at: float
    response: Response | NoResponse


class Hearing:
    """Hears the calls of one account."""

    def __init__(self, desk: Desk, credentials: Credentials, tracker: Tracker, words: StatusWords) -> None:
        """Take the account's desk, and the credentials that its calls are made with."""
        self._desk = desk
        self._credentials = credentials
        self._tracker = tracker
        self._words = words
        self._random = random.Random()  # noqa: S311  # nosec B311 - span ids are no secret

    def hear(self, call: Call) -> Reading | None:
        """Apply what a call brought and queue its message for its next poll; returns None after a bug of ours."""
        try:
            message = self._traced(call)
            reading = self._understand(call)
            result = self._apply(call, reading)
            if message is not None:
                self._trace(message, call, reading, result)
            self._count(call, result, understood=not isinstance(reading, Failure))
        except Exception:  # noqa: BLE001 - the one wide except: a bug of ours must cost no message its next poll
            _log.exception("a poll failed in a way that nobody foresaw", extra=fields(account=self._desk.account))
            self._count(call, PollResult.UNREADABLE, understood=False)
            return None
        return reading

    def lose(self, slot: int, seq: int, now: float) -> None:
        """Note that a call about a message was dropped: asked, and not told; soon again, and not within a second."""
        columns = self._tracker.in_flight.columns
        if columns.seq[slot] == seq:
            columns.polled_at[slot] = now
            columns.failures[slot] = max(1, columns.failures[slot])

    def _understand(self, call: Call) -> Reading:
        response = call.response
        if isinstance(response, NoResponse):
            self._desk.budget.finish(call.started_at, call.arrived_at, None, None)
            return Failure(response.result)
        self._learn(response, call.started_at, call.arrived_at)
        reading = read(response.code, response.body, call.message_id, self._words)
        if isinstance(reading, StatusReport):
            self._desk.found_at = call.arrived_at
        return reading

    def _learn(self, response: Response, started_at: float, now: float) -> None:
        """Let the budget and the credentials know how the call went."""
        desk, code = self._desk, response.code
        if code < 400 and desk.budget.refused is None:
            desk.budget.finish(started_at, now, code, None)
            return
        before = desk.budget.paused(now)
        desk.budget.finish(started_at, now, code, retry_after_seconds(response.retry_after, now))
        if code in {401, 403} and self._credentials.look_again():
            desk.budget.resume()
        after = desk.budget.paused(now)
        if before != after:
            reasons = ",".join(pause.value for pause in after) or "none"
            _log.warning("the account's pauses changed", extra=fields(account=desk.account, reasons=reasons, code=code))

    def _apply(self, call: Call, reading: Reading) -> PollResult:
        if call.slot is not None:
            observed = Observation(call.started_at, call.arrived_at, reading)
            return self._tracker.apply(call.slot, call.seq, observed, self._desk)
        if isinstance(reading, Failure):
            return reading.result
        return PollResult.NOT_FOUND if isinstance(reading, NotFound) else PollResult.UNCHANGED

    def _traced(self, call: Call) -> Message | None:
        """Return the message as it is before the call is applied, if a trace is made of it."""
        in_flight, slot = self._tracker.in_flight, call.slot
        if slot is None or in_flight.columns.seq[slot] != call.seq or not self._tracker.traced.samples(slot):
            return None
        return in_flight.get(slot)

    def _trace(self, message: Message, call: Call, reading: Reading, result: PollResult) -> None:
        ids = TraceIds(trace_id(message), f"{self._random.getrandbits(64) or 1:016x}")
        self._desk.meter.durations.illustrate(call.arrived_at - call.started_at, ids, call.arrived_at)
        poll = PollTrace(
            message=message,
            ids=ids,
            started_at=call.started_at,
            arrived_at=call.arrived_at,
            code=call.response.code if isinstance(call.response, Response) else None,
            result=result,
            status=reading.status if isinstance(reading, StatusReport) else None,
        )
        self._tracker.traced.polled(poll)

    def _count(self, call: Call, result: PollResult, *, understood: bool) -> None:
        """Count a call and queue its message again; the second between two polls counts from the answer."""
        self._desk.meter.count(result, call.started_at, call.arrived_at, understood=understood)
        columns, slot = self._tracker.in_flight.columns, call.slot
        if slot is None or columns.seq[slot] != call.seq or columns.has(slot, ENDED):
            return
        columns.polled_at[slot] = call.arrived_at
        # While an announced end is open, an answer that says nothing about it is one more in vain.
        heard = understood and not columns.flags[slot] & CLAIMED
        columns.failures[slot] = 0 if heard else min(columns.failures[slot] + 1, _MOST_FAILURES)
        self._tracker.plan.enter(slot, call.arrived_at)

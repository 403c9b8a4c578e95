"""How messages look in the store: rows of those in flight, and what is remembered of those that ended."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from exporter.columns import LISTED, MATURED, SAMPLED, STORED, Columns
from exporter.in_flight import Cohort, Cohorts, InFlight
from exporter.lifecycle import via
from exporter.message import Ending, Labels, Message, Outcome, StatusReport
from exporter.store import FinishedRow, InFlightRow, ProgressRow
from exporter.trace_ids import trace_id

ABANDONED: Final = "abandoned"
"""What stands for the outcome of a message whose tracking was stopped."""
_AS_STORED: Final = (
    *("seq", "sent_at", "accepted_at", "ttl", "in_flight_at", "answered_at", "other_at"),
    *("flags", "polls", "status", "seen"),
)


class Finished(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a message that ended; times are Unix seconds, amounts are decimals as text."""

    channel: str
    outcome: str
    sent_at: float
    accepted_at: float
    polls: int
    status: str = "accepted"
    parts: int | None = None
    cost: str | None = None
    currency: str | None = None
    rate: str | None = None
    fallback: str | None = None
    via: str | None = None
    lower_seconds: float | None = None
    upper_seconds: float | None = None
    trace_id: str | None = None


def labels_text(labels: Labels) -> str:
    """Return labels as the store keeps them; none at all is the empty text."""
    return msgspec.json.encode(dict(labels)).decode() if labels else ""


def labels_of(text: str) -> Labels:
    """Return labels as they were stored."""
    return tuple(sorted(msgspec.json.decode(text, type=dict[str, str]).items())) if text else ()


def in_flight_row(message: Message, seq: int) -> InFlightRow:
    """Return the row of a message that is taken into tracking."""
    # By position, in the order of the columns: by name it takes twice as long, and a campaign has thousands.
    return InFlightRow(
        seq,
        message.account,
        message.id,
        message.channel,
        labels_text(message.labels),
        message.sent_at,
        message.accepted_at,
        message.ttl,
        message.traceparent,
        # SQLite's adapter is slow with what is not exactly an int.
        int(message.status),
        message.seen,
        message.in_flight_at,
        message.answered_at,
        message.other_at,
        message.matured * MATURED | message.listed * LISTED | message.sampled * SAMPLED,
        message.polls,
    )


def progress_row(columns: Columns, slot: int) -> ProgressRow:
    """Return what polling changed about a message."""
    return ProgressRow(
        columns.seq[slot],
        columns.status[slot],
        columns.seen[slot],
        columns.in_flight_at[slot],
        columns.answered_at[slot],
        columns.other_at[slot],
        columns.flags[slot] & STORED,
        columns.polls[slot],
    )


def finished_row(message: Message, ending: Ending, currency: str | None) -> FinishedRow:
    """Return what is remembered of a message that ended; `currency` is that of its account's cost."""
    report = ending.report
    body = Finished(
        channel=message.channel,
        outcome=ending.outcome.value,
        sent_at=message.sent_at,
        accepted_at=message.accepted_at,
        polls=message.polls,
        status=message.status.label,
        fallback=ending.fallback.value,
        lower_seconds=ending.lower_seconds,
        upper_seconds=ending.upper_seconds,
        trace_id=shown_trace_id(message),
    )
    return _row(message, ending.at, body if report is None else _with_answer(body, message, report, currency))


def _with_answer(body: Finished, message: Message, report: StatusReport, currency: str | None) -> Finished:
    return msgspec.structs.replace(
        body,
        parts=report.parts,
        cost=None if report.cost is None else str(report.cost),
        currency=currency,
        rate=None if report.rate is None else str(report.rate),
        via=via(message.channel, report),
    )


def outcome_of(row: FinishedRow) -> Outcome | None:
    """Return how a remembered message ended; None when it was abandoned."""
    word = msgspec.json.decode(row.body, type=Finished).outcome
    return None if word == ABANDONED else Outcome(word)


def abandoned_row(message: Message, now: float) -> FinishedRow:
    """Return what is remembered of a message that was abandoned."""
    body = Finished(
        channel=message.channel,
        outcome=ABANDONED,
        sent_at=message.sent_at,
        accepted_at=message.accepted_at,
        polls=message.polls,
        status=message.status.label,
        trace_id=shown_trace_id(message),
    )
    return _row(message, now, body)


def shown_trace_id(message: Message) -> str | None:
    """Return the trace that tells of a message: ours, or the one that its caller named; None when there is none."""
    return trace_id(message) if message.sampled or message.traceparent is not None else None


def _row(message: Message, at: float, body: Finished) -> FinishedRow:
    return FinishedRow(message.account, message.id, at, int(message.listed), msgspec.json.encode(body).decode())


class Loading:
    """Fills the columns from rows, hundreds at a time: a million messages are back within seconds."""

    def __init__(self, in_flight: InFlight, count: int) -> None:
        """Make room in the empty columns for so many messages."""
        self._columns = in_flight.columns
        self._traceparents = in_flight.traceparents
        self._numbers = _Numbers(in_flight.cohorts)
        self._first = self._next = in_flight.columns.grow(count)

    def add(self, rows: list[tuple[object, ...]]) -> None:
        """Take in rows (all of InFlightRow's columns)."""
        column: dict[str, tuple[Any, ...]] = dict(zip(InFlightRow._fields, zip(*rows, strict=True), strict=True))
        shared = zip(column["account"], column["channel"], column["labels"], strict=True)
        made: dict[str, Sequence[float]] = {name: column[name] for name in _AS_STORED}
        made["cohort"] = [self._numbers[each] for each in shared]
        self._columns.fill(self._next, column["id"], made)
        if any(column["traceparent"]):
            texts = enumerate(column["traceparent"], start=self._next)
            self._traceparents.update((slot, text) for slot, text in texts if text)
        self._next += len(rows)

    def slot(self, seq: int) -> int:
        """Return the slot of a message that was taken in; rows come in the order of their numbers."""
        return bisect_left(self._columns.seq, seq, self._first, self._next)


class _Numbers(dict[tuple[str, str, str], int]):
    """The numbers of cohorts by account, channel and labels as stored."""

    def __init__(self, cohorts: Cohorts) -> None:
        super().__init__()
        self._cohorts = cohorts

    def __missing__(self, shared: tuple[str, str, str]) -> int:
        account, channel, labels = shared
        number = self[shared] = self._cohorts.number(Cohort(account, channel, labels_of(labels)))
        return number

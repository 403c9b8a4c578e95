"""How messages look in the store: rows of those in flight, and what is remembered of those that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from exporter.in_flight import LISTED, MATURED, Cohort, Cohorts, InFlight
from exporter.lifecycle import via
from exporter.message import Ending, Labels, Message, StatusReport
from exporter.store import FinishedRow, InFlightRow, ProgressRow

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


def labels_text(labels: Labels) -> str:
    """Return labels as the store keeps them; none at all is the empty text."""
    return msgspec.json.encode(dict(labels)).decode() if labels else ""


def labels_of(text: str) -> Labels:
    """Return labels as they were stored."""
    return tuple(sorted(msgspec.json.decode(text, type=dict[str, str]).items())) if text else ()


def in_flight_row(message: Message, seq: int) -> InFlightRow:
    """Return the row of a message that is taken into tracking."""
    return InFlightRow(
        seq=seq,
        account=message.account,
        id=message.id,
        channel=message.channel,
        labels=labels_text(message.labels),
        sent_at=message.sent_at,
        accepted_at=message.accepted_at,
        ttl=message.ttl,
        traceparent=message.traceparent,
        status=message.status,
        seen=message.seen,
        in_flight_at=message.in_flight_at,
        answered_at=message.answered_at,
        other_at=message.other_at,
        flags=message.matured * MATURED | message.listed * LISTED,
        polls=message.polls,
    )


def progress_row(in_flight: InFlight, slot: int) -> ProgressRow:
    """Return what polling changed about a message."""
    return ProgressRow(
        in_flight.seq[slot],
        in_flight.status[slot],
        in_flight.seen[slot],
        in_flight.in_flight_at[slot],
        in_flight.answered_at[slot],
        in_flight.other_at[slot],
        in_flight.flags[slot] & (MATURED | LISTED),
        in_flight.polls[slot],
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


def abandoned_row(message: Message, now: float) -> FinishedRow:
    """Return what is remembered of a message that was abandoned."""
    body = Finished(
        channel=message.channel,
        outcome="abandoned",
        sent_at=message.sent_at,
        accepted_at=message.accepted_at,
        polls=message.polls,
        status=message.status.label,
    )
    return _row(message, now, body)


def _row(message: Message, at: float, body: Finished) -> FinishedRow:
    return FinishedRow(message.account, message.id, at, int(message.listed), msgspec.json.encode(body).decode())


class Loading:
    """Fills the columns from rows, hundreds at a time: a million messages are back within seconds."""

    def __init__(self, in_flight: InFlight) -> None:
        """Take the empty columns."""
        self._in_flight = in_flight
        self._numbers = _Numbers(in_flight.cohorts)

    def add(self, rows: list[tuple[object, ...]]) -> None:
        """Take in rows (all of InFlightRow's columns)."""
        column: dict[str, tuple[Any, ...]] = dict(zip(InFlightRow._fields, zip(*rows, strict=True), strict=True))
        shared = zip(column["account"], column["channel"], column["labels"], strict=True)
        made: dict[str, Sequence[float]] = {name: column[name] for name in _AS_STORED}
        made["cohort"] = [self._numbers[each] for each in shared]
        self._in_flight.extend(column["id"], made, column["traceparent"])


class _Numbers(dict[tuple[str, str, str], int]):
    """The numbers of cohorts by account, channel and labels as stored."""

    def __init__(self, cohorts: Cohorts) -> None:
        super().__init__()
        self._cohorts = cohorts

    def __missing__(self, shared: tuple[str, str, str]) -> int:
        account, channel, labels = shared
        number = self[shared] = self._cohorts.number(Cohort(account, channel, labels_of(labels)))
        return number

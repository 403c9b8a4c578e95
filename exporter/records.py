"""How messages look in the store: rows of those in flight, and what is remembered of those that ended."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from exporter.in_flight import FREE, Cohort, InFlight
from exporter.lifecycle import via
from exporter.message import Ending, Labels, Message, StatusReport
from exporter.store import FinishedRow, InFlightRow, ProgressRow

_MATURED: Final = 1
_LISTED: Final = 2
_AS_STORED: Final = (
    *("seq", "sent_at", "accepted_at", "in_flight_at", "answered_at", "other_at"),
    *("polls", "status", "seen"),
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
        listed=int(message.listed),
        status=message.status,
        seen=message.seen,
        in_flight_at=message.in_flight_at,
        answered_at=message.answered_at,
        other_at=message.other_at,
        matured=int(message.matured),
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
        in_flight.flags[slot] & _MATURED,
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
    """Fills the columns from rows, thousands at a time: a million messages are back within seconds."""

    def __init__(self, in_flight: InFlight) -> None:
        """Take the empty columns."""
        self._in_flight = in_flight

    def add(self, rows: list[tuple[object, ...]]) -> list[range]:
        """Take in rows (all of InFlightRow's columns); returns the slots they got, by account and channel."""
        groups: dict[tuple[object, object], list[tuple[object, ...]]] = defaultdict(list)
        for row in rows:
            groups[row[1], row[3]].append(row)
        return [self._extend(str(account), str(channel), group) for (account, channel), group in groups.items()]

    def _extend(self, account: str, channel: str, rows: list[tuple[object, ...]]) -> range:
        column: dict[str, tuple[Any, ...]] = dict(zip(InFlightRow._fields, zip(*rows, strict=True), strict=True))
        numbers = {
            text: self._in_flight.cohorts.number(Cohort(account, channel, labels_of(text)))
            for text in set(column["labels"])
        }
        flags = [a * _MATURED | b * _LISTED for a, b in zip(column["matured"], column["listed"], strict=True)]
        made: dict[str, Sequence[float]] = {
            "cohort": [numbers[text] for text in column["labels"]],
            "ttl": [math.nan if ttl is None else ttl for ttl in column["ttl"]],
            "polled_at": list(map(max, column["answered_at"], column["other_at"])),
            "due_at": (FREE,) * len(rows),
            "flags": flags,
        }
        stored = {name: column[name] for name in _AS_STORED}
        return self._in_flight.extend(account, column["id"], stored | made, column["traceparent"])

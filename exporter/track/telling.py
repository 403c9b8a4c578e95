"""What `track` prints: a line for a message that ended, the table and the numbers at the end, or one JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from exporter.knowledge import Bounds
from exporter.track.report import Report
from exporter.track.summary import Summary, summarize

_HEAD: Final = ("id", "outcome", "time", "cost", "fallback")
_NONE: Final = "-"
_json: Final = msgspec.json.Encoder(decimal_format="number")


class Document(msgspec.Struct, frozen=True):
    """What `--json` prints."""

    messages: Sequence[Report]
    summary: Summary


def document(reports: Sequence[Report]) -> str:
    """Return everything as JSON, amounts as numbers to their last digit."""
    return msgspec.json.format(_json.encode(Document(reports, summarize(reports)))).decode()


def line(report: Report, ended: int, messages: int) -> str:
    """Return the line of a message that ended as the n-th."""
    time = f" after {_time(report.time_to_delivery)}" if report.time_to_delivery else ""
    return f"{report.message_id}: {_outcome(report)}{time} ({ended}/{messages})"


def text(reports: Sequence[Report], *, own_clock: bool) -> str:
    """Return the table of all messages and the numbers below it; `own_clock` when nobody knew the send times."""
    notes = _notes(reports) if own_clock else ()
    return "\n".join([*_table(reports), "", *_numbers(summarize(reports)), *notes])


def _table(reports: Sequence[Report]) -> Iterator[str]:
    rows = [_HEAD, *map(_row, reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(report: Report) -> tuple[str, ...]:
    cost = _NONE if report.cost is None else _money(report.cost, report.currency or "unknown")
    return report.message_id, _outcome(report), _time(report.time_to_delivery), cost, _fallback(report)


def _outcome(report: Report) -> str:
    return report.outcome or f"open ({report.status})"


def _time(bounds: Bounds | None) -> str:
    if bounds is None:
        return _NONE
    return f"{bounds.lower_bound:.1f}..{bounds.upper_bound:.1f} s"


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:f} {currency}"


def _fallback(report: Report) -> str:
    if report.fallback_used is None:
        return _NONE
    if not report.fallback_used:
        return "no"
    return f"used, via {report.via}" if report.via else "used"


def _numbers(summary: Summary) -> Iterator[str]:
    counts = f"{summary.delivered} delivered, {summary.failed} failed, {summary.open} open"
    yield f"messages       {summary.messages}: {counts}"
    yield f"delivery rate  {summary.delivery_rate:.1%}"
    times = summary.time_to_delivery
    if times.median is not None:
        yield f"time           median {_time(times.median)}, 95th percentile {_time(times.p95)}"
    if summary.cost:
        yield "cost           " + ", ".join(_money(amount, currency) for currency, amount in summary.cost.items())


def _notes(reports: Sequence[Report]) -> Iterator[str]:
    """Say what the times are counted from in place of the send time."""
    if any(report.time_to_delivery for report in reports):
        yield "Times count from the start of this command, which does not know when the messages were sent."
    if early := sum(report.delivered and report.time_to_delivery is None for report in reports):
        yield f"Delivered before they were first asked about, nobody knows when: {early}."

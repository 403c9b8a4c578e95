"""All messages of a wait in a few numbers, and what they make the command exit with."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from exporter.knowledge import Bounds
from exporter.track.exits import Exit
from exporter.track.report import Report


class Times(msgspec.Struct, frozen=True):
    """Percentiles of the time to delivery, of the messages for which it is known; null when it is for none.

    By nearest rank, of the lower and of the upper bounds each: the true percentile lies between.
    """

    median: Bounds | None
    p95: Bounds | None


class Summary(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What became of all messages together."""

    messages: int
    delivered: int
    failed: int
    """Ended without being delivered, whatever the outcome."""
    open: int
    delivery_rate: float
    """Delivered, of all: it also falls by what is open."""
    time_to_delivery: Times
    cost: dict[str, Decimal]
    """By currency."""

    @property
    def exit(self) -> Exit:
        """What the command exits with."""
        if self.open:
            return Exit.OPEN
        return Exit.FAILED if self.failed else Exit.DELIVERED


def summarize(reports: Sequence[Report]) -> Summary:
    """Sum up the reports of at least one message."""
    delivered = sum(report.delivered for report in reports)
    ended = sum(report.final for report in reports)
    bounds = [report.time_to_delivery for report in reports if report.time_to_delivery is not None]
    costs: defaultdict[str, Decimal] = defaultdict(Decimal)
    for report in reports:
        if report.cost is not None:
            costs[report.currency or "unknown"] += report.cost
    return Summary(
        messages=len(reports),
        delivered=delivered,
        failed=ended - delivered,
        open=len(reports) - ended,
        delivery_rate=delivered / len(reports),
        time_to_delivery=Times(_percentile(bounds, 0.5), _percentile(bounds, 0.95)),
        cost=dict(sorted(costs.items())),
    )


def _percentile(bounds: Sequence[Bounds], share: float) -> Bounds | None:
    """The smallest bound that at least this share of all do not exceed."""
    if not bounds:
        return None
    place = math.ceil(share * len(bounds)) - 1
    lower = sorted(each.lower_bound for each in bounds)
    upper = sorted(each.upper_bound for each in bounds)
    return Bounds(lower[place], upper[place])

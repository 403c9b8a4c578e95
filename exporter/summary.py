"""The stored numbers added up as the status page shows them: in flight, totals, and what the window holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal
from typing import Final

from exporter import catalogue as metrics
from exporter.counting import WINDOW_COST, WINDOW_FALLBACK, WINDOW_MATURED
from exporter.message import Fallback, Maturity, Outcome, Status
from exporter.totals import Key, Value
from exporter.web.status import ChannelRow, InFlightRow, Judged, Money, Totals, Window
from exporter.window import WindowKey

STATUSES: Final = tuple(status.label for status in Status if not status.final)
"""The statuses of messages in flight, in their order on the page."""
_EXACT: Final = Context(prec=60)


def in_flight(gauges: Mapping[Key, int]) -> tuple[InFlightRow, ...]:
    """Return the messages in flight of each channel that has any."""
    counts: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (_, (account, channel, status)), count in gauges.items():
        counts[account, channel][status] = count
    return tuple(
        InFlightRow(account=account, channel=channel, by_status=tuple(found.get(name, 0) for name in STATUSES))
        for (account, channel), found in sorted(counts.items())
        if any(found.values())
    )


def totals(values: Mapping[Key, Value]) -> Totals:
    """Return what the counters come to over all their labels."""
    counts: dict[str, int] = defaultdict(int)
    outcomes = {outcome.value: 0 for outcome in Outcome}
    costs: list[tuple[str, Decimal]] = []
    for (metric, labels), value in values.items():
        if metric is metrics.COST and isinstance(value, int | Decimal):
            costs.append((labels[-1], Decimal(value)))
        elif metric is metrics.FINISHED and isinstance(value, int):
            outcomes[labels[-2]] += value
        elif metric in {metrics.ACCEPTED, metrics.ABANDONED} and isinstance(value, int):
            counts[metric.name] += value
    return Totals(
        accepted=counts[metrics.ACCEPTED.name],
        abandoned=counts[metrics.ABANDONED.name],
        outcomes=outcomes,
        costs=_added_up(costs),
    )


def window(sums: Mapping[WindowKey, Decimal], seconds: float) -> Window:
    """Return what the window holds, as a whole and by channel."""
    pairs = sorted({(labels[0], labels[1]) for (name, labels) in sums if name in {WINDOW_MATURED, WINDOW_COST}})
    return Window(
        seconds=seconds,
        judged=_judged(sums, ()),
        fallback_ratio=_fallback_ratio(sums, ()),
        costs=_costs(sums, ()),
        channels=tuple(
            ChannelRow(
                account=pair[0],
                channel=pair[1],
                judged=_judged(sums, pair),
                fallback_ratio=_fallback_ratio(sums, pair),
                costs=_costs(sums, pair),
            )
            for pair in pairs
        ),
    )


def _judged(sums: Mapping[WindowKey, Decimal], of: tuple[str, ...]) -> Judged:
    by_result = _by_last_label(sums, WINDOW_MATURED, of)
    return Judged(**{result.value: int(by_result.get(result.value, 0)) for result in Maturity})


def _fallback_ratio(sums: Mapping[WindowKey, Decimal], of: tuple[str, ...]) -> float | None:
    by_use = _by_last_label(sums, WINDOW_FALLBACK, of)
    total = sum(by_use.values())
    return float(by_use.get(Fallback.USED.value, Decimal(0)) / total) if total else None


def _costs(sums: Mapping[WindowKey, Decimal], of: tuple[str, ...]) -> tuple[Money, ...]:
    return _added_up(_by_last_label(sums, WINDOW_COST, of).items())


def _by_last_label(sums: Mapping[WindowKey, Decimal], name: str, of: tuple[str, ...]) -> dict[str, Decimal]:
    """Add up what has this name by its last label; `of` is an account and a channel, or empty for all."""
    found: dict[str, Decimal] = {}
    for (own, labels), value in sums.items():
        if own == name and labels[: len(of)] == of:
            found[labels[-1]] = _EXACT.add(found.get(labels[-1], Decimal(0)), value)
    return found


def _added_up(amounts: Iterable[tuple[str, Decimal]]) -> tuple[Money, ...]:
    """Add up by currency, leaving out currencies in which nothing was paid."""
    found: dict[str, Decimal] = {}
    for currency, amount in amounts:
        found[currency] = _EXACT.add(found.get(currency, Decimal(0)), amount)
    return tuple(Money(amount, currency) for currency, amount in sorted(found.items()) if amount)

"""What several dashboards measure, said once: rates, shares, money and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from exporter import catalogue as metrics
from exporter.catalogue import Metric
from grafana.source.panels import Steps
from grafana.source.queries import STEP, Query, each, increase, of, quantile, share, total

UIDS: Final = {
    "overview": "smsbat-overview",
    "delivery": "smsbat-delivery",
    "money": "smsbat-fallback-and-cost",
    "objectives": "smsbat-objectives",
    "exporter": "smsbat-exporter",
}
"""They are in bookmarks and alerts, so they never change."""

A_MINUTE: Final = "suffix:/min"
PLAIN_MONEY: Final = "locale"
"""A number in full: the currency is the series' name, because panels hold several."""

GOOD_WHEN_HIGH: Final[Steps] = ((None, "red"), (0.6, "orange"), (0.85, "green"))
BUDGET_LEFT: Final[Steps] = ((None, "red"), (0.000001, "orange"), (0.25, "green"))

OUTCOMES: Final = {
    "delivered": "green",
    "undeliverable": "red",
    "permanenterror": "dark-red",
    "timeout": "orange",
    "not_found": "purple",
    "unobserved": "#808080",
    "abandoned": "blue",
}
RESULTS: Final = {"delivered": "green", "failed": "red", "pending": "orange", "unknown": "#808080"}


def delivery_rate(by: Sequence[str] = (), over: str = STEP, ago: str = "") -> str:
    """Return the share delivered of the messages that matured, of which it is known."""
    delivered = increase(metrics.MATURED, 'result="delivered"', by=by, over=over, ago=ago)
    return share(delivered, increase(metrics.MATURED, 'result!="unknown"', by=by, over=over, ago=ago))


def earliest(part: float) -> Query:
    """Return the quantile of the time to delivery, the earliest that it can be."""
    return Query(quantile(part, metrics.DELIVERY_TIME_LOWER), f"p{part * 100:.0f}, earliest")


def latest(part: float, *, exemplars: bool = False) -> Query:
    """Return the quantile of the time to delivery, the latest that it can be."""
    return Query(quantile(part, metrics.DELIVERY_TIME), f"p{part * 100:.0f}, latest", exemplars)


def half_and_99(metric: Metric, by: Sequence[str] = ()) -> tuple[Query, Query]:
    """Return the quantiles of one of the exporter's own durations: usually, and at the worst."""
    name = "".join(f"{{{{{label}}}}}, " for label in by)
    return (
        Query(quantile(0.5, metric, by=by), f"{name}half"),
        Query(quantile(0.99, metric, by=by), f"{name}99 %"),
    )


def cost_per_delivered(by: Sequence[str]) -> str:
    """Return the cost of all messages for each delivered one; an account's cost has one currency."""
    spent = increase(metrics.COST, by=(*by, "currency"))
    delivered = increase(metrics.FINISHED, 'outcome="delivered"', by=by)
    return each(spent, delivered, by)


def missed_share(over: str, *matchers: str, by: Sequence[str] = ("objective",)) -> str:
    """Return the share that missed an objective, of the messages that it judged."""
    missed = increase(metrics.OBJECTIVE_MISSED, *matchers, by=by, over=over)
    return share(missed, increase(metrics.OBJECTIVE_JUDGED, *matchers, by=by, over=over))


def burn(over: str, *matchers: str) -> str:
    """Return how many times faster than it may an objective's budget is used up."""
    return f"{missed_share(over, *matchers)} / on (objective) (1 - {target(*matchers)})"


def budget_left(over: str, *matchers: str) -> str:
    """Return the share of an objective's budget that is left; below 0 it is overspent."""
    return f"1 - {burn(over, *matchers)}"


def target(*matchers: str) -> str:
    """Return each objective's target; exporters that share a configuration agree on it."""
    return f"max by (objective) ({of(metrics.OBJECTIVE_TARGET, *matchers)})"


def in_flight(by: Sequence[str]) -> str:
    """Return how many messages are tracked now."""
    return total(of(metrics.IN_FLIGHT), by)

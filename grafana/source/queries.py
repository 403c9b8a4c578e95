"""PromQL: selectors that carry the dashboard's variables, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from exporter.catalogue import Metric, Spread

PROCESS: Final = 'job=~"$job", instance=~"$instance"'
ACCOUNT: Final = f'{PROCESS}, account=~"$account"'
MESSAGE: Final = f'{ACCOUNT}, channel=~"$channel"'

STEP: Final = "$__rate_interval"
"""A window for what is drawn over time."""
RANGE: Final = "$__range"
"""All that the dashboard shows."""
RECENT: Final = "15m"
"""What counts as now."""


class Query(NamedTuple):
    """An expression, how its series are called, and whether exemplars are asked for with it."""

    expression: str
    legend: str = ""
    exemplars: bool = False


def of(metric: Metric, *matchers: str, suffix: str = "") -> str:
    """Select a metric's series, as far as the dashboard's variables choose among its labels."""
    of_account = ACCOUNT if "account" in metric.labels else PROCESS
    chosen = of_account if metric.spread is Spread.NONE else MESSAGE
    return f"{metric.name}{suffix}{{{', '.join((chosen, *matchers))}}}"


def total(expression: str, by: Sequence[str] = ()) -> str:
    """Add up over everything but the labels named."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def rate(metric: Metric, *matchers: str, by: Sequence[str] = ()) -> str:
    """Return a counter's growth a second: each series' own first, so that a restart is no dent, then the sum."""
    return total(f"rate({of(metric, *matchers)}[{STEP}])", by)


def increase(metric: Metric, *matchers: str, by: Sequence[str] = (), over: str = RANGE, ago: str = "") -> str:
    """Return a counter's growth over a window, likewise."""
    return total(f"increase({of(metric, *matchers)}[{over}]{f' offset {ago}' if ago else ''})", by)


def a_minute(expression: str) -> str:
    """Return what is said a second as what it is a minute."""
    return f"60 * {expression}"


def an_hour(expression: str) -> str:
    """Return what is said a second as what it is an hour."""
    return f"3600 * {expression}"


def seen(expression: str) -> str:
    """Leave out what is 0, where a legend of everything that could be would hide what is."""
    return f"{expression} > 0"


def share(part: str, whole: str) -> str:
    """Divide a sum by the sum that it is a part of; without the whole there is nothing to see.

    The part is a series that may never have been: a new campaign of which nothing arrives has no delivered ones yet.
    """
    return f"{or_zero(part, whole)} / ({whole} > 0)"


def or_zero(part: str, whole: str) -> str:
    """Return the part, and 0 where there is only the whole."""
    return f"({part} or 0 * {whole})"


def each(amount: str, count: str, matching: Sequence[str]) -> str:
    """Divide an amount of several currencies by a count of the same labels otherwise, where that is not 0."""
    return f"{amount} / on ({', '.join(matching)}) group_left () ({count} > 0)"


def quantile(part: float, metric: Metric, *, by: Sequence[str] = (), over: str = STEP) -> str:
    """Return a histogram's quantile; without observations, nothing in place of NaN."""
    buckets = total(f"increase({of(metric, suffix='_bucket')}[{over}])", ("le", *by))
    return f"histogram_quantile({part}, {buckets}) >= 0"

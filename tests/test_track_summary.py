from __future__ import annotations

from decimal import Decimal

import pytest

from exporter.knowledge import Bounds
from exporter.track.exits import Exit
from exporter.track.report import Report
from exporter.track.summary import summarize


def delivered(
    lower: float | None = None, upper: float = 0.0, cost: str | None = None, currency: str | None = "USD"
) -> Report:
    bounds = None if lower is None else Bounds(lower, upper)
    money = None if cost is None else Decimal(cost)
    return Report(
        message_id="m",
        status="delivered",
        final=True,
        outcome="delivered",
        time_to_delivery=bounds,
        cost=money,
        currency=currency,
    )


def ended(outcome: str, cost: str | None = None) -> Report:
    money = None if cost is None else Decimal(cost)
    return Report(message_id="m", final=True, outcome=outcome, cost=money, currency="USD")


OPEN = Report(message_id="m", status="processing")


@pytest.mark.parametrize(
    ("reports", "counts", "rate", "code"),
    [
        ([delivered()], (1, 1, 0, 0), 1.0, Exit.DELIVERED),
        ([delivered(), delivered()], (2, 2, 0, 0), 1.0, Exit.DELIVERED),
        ([OPEN], (1, 0, 0, 1), 0.0, Exit.OPEN),
        ([ended("undeliverable")], (1, 0, 1, 0), 0.0, Exit.FAILED),
        ([delivered(), ended("permanenterror")], (2, 1, 1, 0), 0.5, Exit.FAILED),
        ([delivered(), OPEN], (2, 1, 0, 1), 0.5, Exit.OPEN),
        ([delivered(), delivered(), OPEN, ended("undeliverable")], (4, 2, 1, 1), 0.5, Exit.OPEN),
    ],
)
def test_messages_are_delivered_failed_or_open(
    reports: list[Report], counts: tuple[int, int, int, int], rate: float, code: Exit
) -> None:
    summary = summarize(reports)
    assert (summary.messages, summary.delivered, summary.failed, summary.open) == counts
    assert summary.delivery_rate == rate
    assert summary.exit is code


@pytest.mark.parametrize("outcome", ["timeout", "not_found", "unobserved", "abandoned", "forgotten"])
def test_every_end_but_delivery_is_a_failure(outcome: str) -> None:
    assert summarize([ended(outcome)]).exit is Exit.FAILED


def test_without_a_known_time_there_is_no_percentile() -> None:
    times = summarize([delivered(), OPEN, ended("undeliverable")]).time_to_delivery
    assert (times.median, times.p95) == (None, None)


def test_one_message_is_every_percentile() -> None:
    times = summarize([delivered(2.0, 3.0), OPEN, delivered()]).time_to_delivery
    assert times.median == times.p95 == Bounds(2.0, 3.0)


def test_percentiles_are_by_nearest_rank_of_each_bound() -> None:
    reports = [delivered(number - 1.0, number + 0.0) for number in range(20, 0, -1)]
    times = summarize(reports).time_to_delivery
    assert times.median == Bounds(9.0, 10.0)
    assert times.p95 == Bounds(18.0, 19.0)


def test_the_true_percentile_lies_between_the_bounds_even_when_they_are_of_different_messages() -> None:
    times = summarize([delivered(0.0, 9.0), delivered(4.0, 5.0), delivered(3.0, 3.5)]).time_to_delivery
    assert times.median == Bounds(3.0, 5.0)


def test_costs_add_up_exactly_by_currency_failures_and_refunds_included() -> None:
    reports = [
        delivered(cost="0.1"),
        delivered(cost="0.2"),
        delivered(cost="1.50", currency="EUR"),
        ended("undeliverable", cost="-0.05"),
        delivered(cost="7", currency=None),
        delivered(),
        OPEN,
    ]
    assert summarize(reports).cost == {"EUR": Decimal("1.50"), "USD": Decimal("0.25"), "unknown": Decimal(7)}


def test_no_cost_is_no_currency() -> None:
    assert summarize([delivered(), OPEN]).cost == {}

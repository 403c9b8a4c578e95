"""What the exporter's totals must be once every message of a simulated API has ended."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from exporter.simulator import Ledger, Total, TotalKey, Truth
from exporter.store.sqlite import SqliteStore
from tests.integration.scrape import Series, series

_OUTCOMES: Final = {Truth.NEVER: "timeout"}
_ENDED_BY_AN_ANSWER: Final = frozenset({Truth.DELIVERED, Truth.UNDELIVERABLE, Truth.PERMANENTERROR})
CHECKED: Final = frozenset(
    {
        "smsbat_messages_accepted_total",
        "smsbat_messages_finished_total",
        "smsbat_message_parts_total",
        "smsbat_cost_total",
        "smsbat_rate_amount_total",
        "smsbat_bill_amount_total",
        "smsbat_time_to_delivery_seconds_count",
        "smsbat_time_to_delivery_lower_bound_seconds_count",
        "smsbat_time_to_failure_seconds_count",
    }
)
"""The metrics that the ledger knows the truth about."""


def expected(ledger: Ledger) -> dict[Series, Decimal]:
    """Return every total that is not 0, exactly; costs are in USD."""
    totals: dict[Series, Decimal] = defaultdict(Decimal)
    for key, total in ledger.totals().items():
        _book(totals, key, total)
    return {key: value for key, value in totals.items() if value}


def _book(totals: dict[Series, Decimal], key: TotalKey, total: Total) -> None:
    pair = {"account": key.account, "channel": key.channel}
    outcome = _OUTCOMES.get(key.truth, key.truth.value)
    fallback = "unknown" if key.truth is Truth.NOT_FOUND else key.fallback

    def add(name: str, value: Decimal | int, **labels: str) -> None:
        totals[series(name, pair | labels)] += value

    add("smsbat_messages_accepted_total", total.messages)
    add("smsbat_messages_finished_total", total.messages, outcome=outcome, fallback=fallback)
    add("smsbat_message_parts_total", total.parts, outcome=outcome)
    add("smsbat_cost_total", total.cost, outcome=outcome, currency="USD")
    for currency, amount in total.rate_amounts.items():
        add("smsbat_rate_amount_total", amount, outcome=outcome, currency=currency)
    for currency, amount in total.bill_amounts.items():
        add("smsbat_bill_amount_total", amount, outcome=outcome, currency=currency)
    if key.truth is Truth.DELIVERED:
        add("smsbat_time_to_delivery_seconds_count", total.messages, fallback=fallback)
        add("smsbat_time_to_delivery_lower_bound_seconds_count", total.messages, fallback=fallback)
    elif key.truth in _ENDED_BY_AN_ANSWER:
        add("smsbat_time_to_failure_seconds_count", total.messages)


def stored(path: Path) -> dict[Series, Decimal]:
    """Return the stored counters among CHECKED that are not 0, without rounding; nobody else may have the file open."""
    store = SqliteStore(path)
    try:
        rows = [row for row in store.totals() if row.metric in CHECKED]
    finally:
        store.close()
    values = {series(row.metric, json.loads(row.labels)): Decimal(json.loads(row.value)) for row in rows}
    return {key: value for key, value in values.items() if value}


def counters(totals: Mapping[Series, Decimal]) -> dict[Series, Decimal]:
    """Leave out the histograms, which the store keeps in another form."""
    return {key: value for key, value in totals.items() if key[0].endswith("_total")}

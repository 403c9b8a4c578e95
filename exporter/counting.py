"""What happened to a message, as what it adds to the totals (contract section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from exporter import catalogue as metrics
from exporter.catalogue import Metric
from exporter.labels import LabelRules
from exporter.message import (
    Amount,
    Ending,
    Fallback,
    Labels,
    Maturity,
    Message,
    Outcome,
    Status,
    StatusReport,
    Transition,
)
from exporter.objectives import Objectives
from exporter.totals import Tally
from exporter.trace_ids import ids_of

WINDOW_MATURED: Final = "matured"
WINDOW_FALLBACK: Final = "fallback"
WINDOW_COST: Final = "cost"
WINDOW_DELIVERED: Final = "delivered"

_FAILURES: Final = frozenset({Outcome.UNDELIVERABLE, Outcome.PERMANENTERROR})


class Counting:
    """Adds what happens to a tally, under the labels in force."""

    def __init__(
        self,
        rules: LabelRules,
        objectives: Objectives,
        currencies: Mapping[str, str],
        *,
        histogram_labels: bool,
    ) -> None:
        """Take the label rules, the objectives, and the currency of each account's `cost`."""
        self.rules = rules
        self.objectives = objectives
        self.currencies = currencies
        self._histogram_labels = histogram_labels

    def accepted(self, tally: Tally, messages: Iterable[Message]) -> None:
        """Count messages that are taken into tracking."""
        alike: dict[tuple[str, str, Labels, Status], int] = {}
        for message in messages:
            key = (message.account, message.channel, message.labels, message.status)
            alike[key] = alike.get(key, 0) + 1
        for (account, channel, labels, status), number in alike.items():
            tally.count(metrics.ACCEPTED, account, channel, *_values(labels, self.rules.names), by=number)
            tally.move(metrics.IN_FLIGHT, account, channel, status.label, by=number)

    def advanced(self, tally: Tally, before: Message, transition: Transition, *, traced: bool = False) -> None:
        """Count what an observation changed; a delivery that is traced is shown beside its bucket."""
        after = transition.message
        account, channel = after.account, after.channel
        for status in transition.seen:
            self.rules.touch((account, channel), after.answered_at)
            tally.count(metrics.STATUS, account, channel, status.label)
        for anomaly in transition.anomalies:
            tally.count(metrics.ANOMALIES, account, anomaly.value)
        if transition.ending is not None:
            self._move(tally, before, -1)
            self._ended(tally, before, transition.ending, traced=traced)
        else:
            if after.status is not before.status:
                self._move(tally, before, -1)
                self._move(tally, after, 1)
            self.objectives.judge_in_flight(tally, before, after)

    def abandoned(self, tally: Tally, message: Message) -> None:
        """Count a message whose tracking is stopped."""
        self._move(tally, message, -1)
        tally.count(metrics.ABANDONED, message.account, message.channel)

    def matured(self, tally: Tally, message: Message, result: Maturity, now: float) -> None:
        """Count a message for the delivery rate."""
        labels = self._set(message)
        self.rules.touch(labels, now)
        tally.count(metrics.MATURED, *labels, result.value)
        tally.note(WINDOW_MATURED, message.account, message.channel, result.value)

    def _move(self, tally: Tally, message: Message, by: int) -> None:
        tally.move(metrics.IN_FLIGHT, message.account, message.channel, message.status.label, by=by)

    def _set(self, message: Message) -> tuple[str, ...]:
        """Account, channel and the labels that are configured today, whatever they were at acceptance."""
        return message.account, message.channel, *_values(message.labels, self.rules.names)

    def _histogram_set(self, message: Message) -> tuple[str, ...]:
        return self._set(message) if self._histogram_labels else (message.account, message.channel)

    def _ended(self, tally: Tally, message: Message, ending: Ending, *, traced: bool) -> None:
        outcome = ending.outcome
        labels = self._set(message)
        self.rules.touch(labels, ending.at)
        tally.count(metrics.FINISHED, *labels, outcome.value, ending.fallback.value)
        histogram_set = self._histogram_set(message)
        if outcome is Outcome.DELIVERED:
            series = (*histogram_set, ending.fallback.value)
            tally.observe(metrics.DELIVERY_TIME, ending.upper_seconds, *series)
            if traced:
                tally.illustrate(metrics.DELIVERY_TIME, ending.upper_seconds, ids_of(message), *series)
            tally.observe(metrics.DELIVERY_TIME_LOWER, ending.lower_seconds, *series)
            tally.note(WINDOW_DELIVERED, message.account, message.channel)
        elif outcome in _FAILURES:
            tally.observe(metrics.FAILURE_TIME, ending.upper_seconds, *histogram_set)
        if ending.fallback in {Fallback.USED, Fallback.UNUSED}:
            tally.note(WINDOW_FALLBACK, message.account, message.channel, ending.fallback.value)
        if ending.report is not None:
            self._book(tally, message, ending, ending.report)
        self.objectives.judge_ended(tally, message, ending)

    def _book(self, tally: Tally, message: Message, ending: Ending, report: StatusReport) -> None:
        account, channel, outcome = message.account, message.channel, ending.outcome.value
        if report.parts:
            tally.count(metrics.PARTS, account, channel, outcome, by=report.parts)
        words = self.rules.words
        for kind, status in report.fallbacks:
            tally.count(metrics.FALLBACKS, account, channel, words.kind(kind), words.status(status))
        for kind, status in report.channels:
            tally.count(metrics.CHANNEL_STATUS, account, channel, words.kind(kind), words.status(status))
        if report.cost is not None:
            currency = self.rules.currency(self.currencies.get(account))
            tally.count(metrics.COST, *self._set(message), outcome, currency, by=report.cost)
            tally.note(WINDOW_COST, account, channel, currency, by=report.cost)
        self._book_amount(tally, metrics.RATE_AMOUNT, (account, channel, outcome), report.rate_amount)
        self._book_amount(tally, metrics.BILL_AMOUNT, (account, channel, outcome), report.bill_amount)

    def _book_amount(self, tally: Tally, metric: Metric, labels: tuple[str, ...], amount: Amount | None) -> None:
        if amount is not None:
            tally.count(metric, *labels, self.rules.currency(amount.currency), by=amount.value)


def _values(labels: Labels, names: tuple[str, ...]) -> tuple[str, ...]:
    if len(labels) == len(names) and all(name == own for (own, _), name in zip(labels, names, strict=True)):
        return tuple(value for _, value in labels)
    given = dict(labels)
    return tuple(given.get(name, "") for name in names)

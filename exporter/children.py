"""The children of each counter that an account and a channel of the configuration show from the start."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import msgspec

from exporter import catalogue as metrics
from exporter.labels import WAY_STATUSES
from exporter.message import FALLBACKS, Anomaly, Fallback, Maturity, Outcome, Status
from exporter.objectives import Objectives
from exporter.totals import Key

_SEEN: Final = tuple(status.label for status in Status if status is not Status.ACCEPTED)
_OUTCOMES: Final = tuple(outcome.value for outcome in Outcome)
_USES: Final = tuple(fallback.value for fallback in Fallback)


_DELIVERY: Final = (metrics.DELIVERY_TIME, metrics.DELIVERY_TIME_LOWER)
_AMOUNTS: Final = (metrics.RATE_AMOUNT, metrics.BILL_AMOUNT)


class Children(msgspec.Struct, frozen=True):
    """What it depends on: the number of configured labels, and the objectives."""

    labels: int
    objectives: Objectives
    histogram_labels: bool

    def of_account(self, account: str) -> Iterator[Key]:
        """Yield those of an account."""
        return ((metrics.ANOMALIES, (account, anomaly.value)) for anomaly in Anomaly)

    def of_pair(self, account: str, channel: str, currency: str) -> Iterator[Key]:
        """Yield those of an account and a channel; `currency` is that of the account's cost, as a label value."""
        pair = (account, channel)
        labelled = (*pair, *("",) * self.labels)
        observed = labelled if self.histogram_labels else pair
        kinds = FALLBACKS.get(kind := channel.split("_", maxsplit=1)[0], ())
        yield metrics.ACCEPTED, labelled
        yield metrics.ABANDONED, pair
        yield metrics.FAILURE_TIME, observed
        yield from ((metrics.STATUS, (*pair, status)) for status in _SEEN)
        yield from ((metrics.MATURED, (*labelled, result.value)) for result in Maturity)
        yield from ((metrics.FINISHED, (*labelled, *end)) for end in product(_OUTCOMES, _USES))
        yield from ((metric, (*observed, use)) for metric, use in product(_DELIVERY, _USES))
        yield from ((metrics.PARTS, (*pair, outcome)) for outcome in _OUTCOMES)
        yield from ((metrics.COST, (*labelled, outcome, currency)) for outcome in _OUTCOMES)
        yield from ((metric, (*pair, outcome, currency)) for metric, outcome in product(_AMOUNTS, _OUTCOMES))
        yield from ((metrics.FALLBACKS, (*pair, *way)) for way in product(kinds, WAY_STATUSES))
        if kinds:
            yield from ((metrics.CHANNEL_STATUS, (*pair, *way)) for way in product((kind, *kinds), WAY_STATUSES))
        yield from self.objectives.expected(account, channel)

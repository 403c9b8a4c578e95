"""What the exporter counts about itself; these start at 0 with each process."""

from __future__ import annotations

import enum
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Final

from exporter.exemplars import Exemplar, Exemplars
from exporter.message import PollResult
from exporter.totals import Histogram
from exporter.trace_ids import TraceIds

POLL_EDGES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_EDGES: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
COMMIT_EDGES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Meter:
    """A histogram that is cheap to add to."""

    __slots__ = ("_counts", "_edges", "_sum", "exemplars")

    def __init__(self, edges: tuple[float, ...]) -> None:
        """Start with no observation."""
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self._sum = 0.0
        self.exemplars: Exemplars = {}

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._edges, value)] += 1
        self._sum += value

    def illustrate(self, value: float, ids: TraceIds, now: float) -> None:
        """Show the span of an observation beside its bucket."""
        self.exemplars[bisect_left(self._edges, value)] = Exemplar(ids, value, now)

    def read(self) -> Histogram:
        """Return what was observed so far."""
        return Histogram(self._edges, tuple(self._counts), self._sum)


class PollMeter:
    """What an account's polls came to."""

    __slots__ = ("durations", "lags", "last_success_at", "last_understood", "results")

    def __init__(self) -> None:
        """Start with every result at 0."""
        self.results = dict.fromkeys(PollResult, 0)
        self.durations = Meter(POLL_EDGES)
        self.lags = Meter(LAG_EDGES)
        self.last_success_at = 0.0
        """When the last answer that was understood (2xx or 404) arrived, 0.0 for never."""
        self.last_understood: bool | None = None
        """Whether the last call was; None before the first one ended."""

    def count(self, result: PollResult, started_at: float, now: float, *, understood: bool) -> None:
        """Count one call that ended."""
        self.results[result] += 1
        self.durations.observe(now - started_at)
        self.last_understood = understood
        if understood:
            self.last_success_at = now


class StoreMeter:
    """How the store does."""

    def __init__(self) -> None:
        """Start as a store that works."""
        self.commits = Meter(COMMIT_EDGES)
        self.errors = 0
        self.problem: str | None = None
        """Why the last call failed; None while the store works."""


class SpanMeter:
    """What became of spans."""

    def __init__(self) -> None:
        """Start with none."""
        self.results: dict[str, int] = {"exported": 0, "dropped": 0, "failed": 0}
        """Taken by the collector; never sent, because too many waited; sent, and refused or not answered."""
        self._lock = threading.Lock()

    def count(self, result: str, by: int = 1) -> None:
        """Count spans; they are counted in several threads."""
        with self._lock:
            self.results[result] += by


class RelayMeter:
    """What the relay did."""

    def __init__(self) -> None:
        """Start with nothing relayed."""
        self.requests: dict[tuple[str, str], int] = {}
        """By account and the code that was answered."""
        self.untracked = 0
        """Messages that SMSBat accepted and nobody tracks."""

    def expect(self, accounts: Iterable[str]) -> None:
        """Show the usual answers of accounts from the start, so that `increase()` sees the first."""
        for key in product(accounts, ("200", "502")):
            self.requests.setdefault(key, 0)

    def count(self, account: str, code: int) -> None:
        """Count one request that was answered."""
        key = (account, str(code))
        self.requests[key] = self.requests.get(key, 0) + 1


class WebhookResult(enum.Enum):
    """What a webhook came to; the label of `smsbat_exporter_webhooks_total`."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    CONTRADICTED = "contradicted"
    UNKNOWN_MESSAGE = "unknown_message"
    UNAUTHORIZED = "unauthorized"
    REJECTED = "rejected"


class WebhookMeter:
    """What webhooks came to."""

    def __init__(self) -> None:
        """Start with none."""
        self.results: Counter[tuple[str, WebhookResult]] = Counter()
        """By account."""
        self.missed: Counter[str] = Counter()
        """Those that did not come, by account."""

    def expect(self, accounts: Iterable[str]) -> None:
        """Show every result of accounts that have webhooks from the start."""
        for account in accounts:
            self.missed.setdefault(account, 0)
            for result in WebhookResult:
                self.results.setdefault((account, result), 0)

    def count(self, account: str, result: WebhookResult) -> None:
        """Count one webhook."""
        self.results[account, result] += 1

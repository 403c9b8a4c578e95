"""One account at work: who waits for a poll, what the account may do now, and how it has done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from exporter.budget import Budget, Limits
from exporter.columns import Columns
from exporter.due import DueQueue
from exporter.lane import Lane
from exporter.meters import PollMeter
from exporter.schedule import Pace


class PollingRule(msgspec.Struct, frozen=True):
    """Which channels a polling entry is for (None: all), and how it polls them."""

    channels: frozenset[str] | None
    pace: Pace


class Desk:
    """One account at work: who waits, what it may do now, and how it has done."""

    def __init__(
        self, account: str, limits: Limits, columns: Columns, rules: Sequence[PollingRule], now: float
    ) -> None:
        """Start with nobody waiting."""
        self.account = account
        self.budget = Budget(limits, now)
        self.queue = DueQueue(columns, tuple(rule.pace for rule in rules))
        self.meter = PollMeter()
        self.found_at = 0.0
        """When the account last got a 2xx, 0.0 for never."""
        self.wake: Callable[[float], None] = lambda _: None
        """Tells the account's poller when something may be due, sooner than it thought."""
        self._rules = tuple(rules)

    def follow(self, other: Desk) -> None:
        """Take over the limits and the lanes of a desk made for a new configuration; who waited must enter again."""
        self.budget.limits = other.budget.limits
        self.queue = other.queue
        self._rules = other._rules

    def lane(self, channel: str) -> Lane:
        """Return the lane of a channel: the first entry that matches."""
        for rule, lane in zip(self._rules, self.queue.lanes, strict=True):
            if rule.channels is None or channel in rule.channels:
                return lane
        return self.queue.lanes[-1]

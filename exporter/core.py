"""The parts that track messages, built from a configuration and a store, and changed together at a reload."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from exporter import catalogue as metrics
from exporter import settings
from exporter.admission import RESULTS, SOURCES, Admission
from exporter.catalogue import Spread
from exporter.children import Children
from exporter.commit import Committer
from exporter.counting import Counting
from exporter.desk import Desk
from exporter.in_flight import Cohorts, InFlight
from exporter.labels import IDLE_SECONDS, LabelRules
from exporter.meters import RelayMeter, SpanMeter
from exporter.plan import Plan, Rules
from exporter.records import progress_row
from exporter.timekeeper import Timekeeper
from exporter.totals import Key, Totals
from exporter.tracker import Tracker
from exporter.window import Windows

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.store.writer import Writer


class Reloads:
    """How the last attempt to read the configuration went."""

    def __init__(self, succeeded_at: float) -> None:
        """Start with the success that the process started with."""
        self.succeeded_at = succeeded_at
        self.errors: tuple[str, ...] = ()


class Core:
    """One tracker and all that it needs; not yet running."""

    def __init__(self, config: Config, clock: Clock, writer: Writer, totals: Totals, windows: Windows) -> None:
        """Build every part for a configuration; `totals` and `windows` hold what was stored."""
        now = clock.now()
        self.config = config
        self.clock = clock
        self.writer = writer
        self.totals = totals
        self.reloads = Reloads(now)
        self.relay = RelayMeter()
        self.spans = SpanMeter()
        self.revision = os.environ.get("SMSBAT_EXPORTER_REVISION", "unknown")
        self.in_flight = InFlight(Cohorts())
        self.rules = LabelRules(settings.label_limits(config))
        self.counting = self._counting(config)
        columns = self.in_flight.columns
        self.committer = Committer(writer, clock, totals, windows, lambda slot: progress_row(columns, slot))
        self.plan = Plan(Rules(self.in_flight, settings.graces(config), self._desks(config, now)), columns)
        self.tracker = Tracker(self.in_flight, self.plan, self.counting, self.committer, clock)
        self.timekeeper = Timekeeper(self.tracker, clock)
        self.placing = self.tracker.placing
        self.admission = Admission(self.tracker, self.rules, self.committer, writer, clock)
        self.committer.on_health = self._store_changed
        self.expected: frozenset[Key] = frozenset()
        self.pairs: tuple[tuple[str, str], ...] = ()
        self._follow(config, now)

    @property
    def desks(self) -> dict[str, Desk]:
        """The accounts at work, by name."""
        return self.plan.rules.desks

    def account_names(self) -> tuple[str, ...]:
        """Return the names of the accounts, in the order of the configuration."""
        return self._account_names

    def _counting(self, config: Config) -> Counting:
        return Counting(
            self.rules,
            settings.objectives(config),
            {account.name: account.currency for account in config.accounts},
            histogram_labels=config.histogram_labels,
        )

    def _desks(self, config: Config, now: float) -> dict[str, Desk]:
        rules = settings.polling_rules(config)
        return {
            account.name: Desk(account.name, settings.limits(account), self.in_flight.columns, rules, now)
            for account in config.accounts
        }

    def _store_changed(self) -> None:
        """Polling waits while nothing can be stored: what it learned could not be shown."""
        for desk in self.desks.values():
            desk.budget.store_failed = self.committer.meter.problem is not None
            desk.wake(self.clock.now())

    def _follow(self, config: Config, now: float) -> None:
        """Take over what the configuration says about labels, limits and series that show from the start."""
        self.config = config
        self._account_names = tuple(account.name for account in config.accounts)
        self.zero_hold = config.zero_hold
        self.admission.accounts = frozenset(account.name for account in config.accounts)
        self.admission.max_in_flight = config.intake.max_in_flight
        if config.relay is not None:
            self.relay.expect(each.name for each in config.accounts)
        self._follow_webhooks(config)
        self._learn_labels(now)
        listed = [self.rules.words.channel(message.channel) for message in config.messages]
        channels = tuple(dict.fromkeys([*settings.named_channels(config), *listed]))
        self.pairs = tuple((account.name, channel) for account in config.accounts for channel in channels)
        children = Children(len(self.rules.names), self.counting.objectives, config.histogram_labels)
        keys = [key for account in config.accounts for key in children.of_account(account.name)]
        for account, channel in self.pairs:
            currency = self.rules.currency(self.counting.currencies.get(account))
            keys.extend(children.of_pair(account, channel, currency))
        keys += [(metrics.INTAKE, (source, result)) for source in SOURCES for result in RESULTS]
        self.expected = frozenset(keys)
        self.totals.expect(keys, self.committer.changes.tally, now)
        self.committer.soon()

    def _follow_webhooks(self, config: Config) -> None:
        with_webhooks = frozenset(account.name for account in config.accounts if account.webhook_token is not None)
        self.tracker.missed.accounts = with_webhooks
        self.tracker.announced.meter.expect(with_webhooks)

    def _learn_labels(self, now: float) -> None:
        """Let the label rules know which sets and currencies the stored totals use; idle sets keep no room."""
        for (metric, labels), at in self.totals.touched_at.items():
            if metric.spread is not Spread.NONE and now - at <= IDLE_SECONDS:
                self.rules.touch(metric.spread_of(labels), at)
            if "currency" in metric.labels:
                self.rules.currency(labels[-1])

    def follow(self, config: Config) -> None:
        """Follow a new configuration; raises nothing, because whoever loaded it has checked it."""
        now = self.clock.now()
        self.rules.follow(settings.label_limits(config))
        self.totals.relay_out(settings.layout(config), self.committer.changes.tally)
        self.committer.windows.window_seconds = config.window
        self.counting = self.tracker.counting = self._counting(config)
        self._follow(config, now)
        # What is not stored yet belongs to sets that the new rules do not know.
        self.committer.changes.then.append(lambda: self._learn_labels(self.clock.now()))
        self.plan.relay_out(settings.graces(config), self._desks_after(config, now))
        self.placing.begin()
        self._store_changed()

    def _desks_after(self, config: Config, now: float) -> dict[str, Desk]:
        """Keep the desks of accounts that stay, with their budgets and meters."""
        desks = self._desks(config, now)
        for name, desk in self.desks.items():
            if name in desks:
                desk.follow(desks[name])
                desks[name] = desk
        return desks

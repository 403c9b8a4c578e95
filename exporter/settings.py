"""What the configuration means for each part of the exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.budget import Limits
from exporter.desk import PollingRule
from exporter.labels import LabelLimits
from exporter.objectives import Objective, Objectives
from exporter.plan import Graces
from exporter.schedule import Pace
from exporter.totals import Layout

if TYPE_CHECKING:
    from exporter.config import Account, Config, PollingEntry


def limits(account: Account) -> Limits:
    """Return how many calls an account may make."""
    return Limits(account.requests_per_second, account.burst, account.max_concurrency)


def graces(config: Config) -> Graces:
    """Return how long the API is given before it is believed."""
    return Graces(config.not_found_grace, config.ttl_grace)


def objectives(config: Config) -> Objectives:
    """Return the objectives that messages are judged by."""
    return Objectives(
        tuple(Objective(each.name, frozenset(each.channels), each.within, each.target) for each in config.objectives)
    )


def layout(config: Config) -> Layout:
    """Return the shape of the totals."""
    return Layout(tuple(sorted(config.labels)), config.histogram_labels, config.buckets)


def label_limits(config: Config) -> LabelLimits:
    """Return which label values may come up."""
    return LabelLimits(
        max_values={name: rule.max_values for name, rule in sorted(config.labels.items())},
        max_sets=config.max_label_sets,
        channels=frozenset(named_channels(config)),
    )


def named_channels(config: Config) -> tuple[str, ...]:
    """Return the channels that polling entries, objectives and `channels` name, in order."""
    names = [channel for entry in config.polling for channel in entry.channels]
    names += [channel for objective in config.objectives for channel in objective.channels]
    return tuple(dict.fromkeys([*names, *config.channels]))


def polling_rules(config: Config) -> tuple[PollingRule, ...]:
    """Return the polling entries with the edges that matter to their messages."""
    rules: list[PollingRule] = []
    taken: frozenset[str] = frozenset()
    for entry in config.polling:
        channels = frozenset(entry.channels) or None
        rules.append(PollingRule(channels, _pace(config, entry, channels, taken)))
        taken |= channels or frozenset()
    return tuple(rules)


def _pace(config: Config, entry: PollingEntry, channels: frozenset[str] | None, taken: frozenset[str]) -> Pace:
    edges = {*config.buckets, entry.mature}
    for objective in config.objectives:
        meant = frozenset(objective.channels)
        if not meant or (meant - taken if channels is None else meant & channels):
            edges.add(objective.within)
    return Pace(
        first=entry.first,
        interval=entry.interval,
        backoff=entry.backoff,
        max_interval=entry.max_interval,
        timeout=entry.timeout,
        mature=entry.mature,
        edges=tuple(sorted(edge for edge in edges if edge < entry.timeout)),
    )

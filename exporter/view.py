"""What a scrape shows now, gathered on the event loop in time that does not grow with the messages in flight."""

from __future__ import annotations

import platform
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from exporter import __version__
from exporter import catalogue as metrics
from exporter.aging import AGES
from exporter.budget import Pause
from exporter.catalogue import METRICS, Metric, Spread
from exporter.counting import WINDOW_COST, WINDOW_DELIVERED, WINDOW_FALLBACK, WINDOW_MATURED
from exporter.message import Fallback, Maturity, Status
from exporter.metrics import Samples, Snapshot, stored_samples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    from exporter.core import Core
    from exporter.desk import Desk
    from exporter.totals import Key, Value
    from exporter.window import WindowKey

_UP_SECONDS: Final = 60.0
_PAUSES: Final = {
    Pause.UNAUTHORIZED: "SMSBat refuses the credentials (401); one careful call at a time",
    Pause.FORBIDDEN: "SMSBat forbids the call (403); one careful call at a time",
    Pause.RATE_LIMITED: "SMSBat limits the rate (429); polling waits",
}
_IN_FLIGHT: Final = tuple(status for status in Status if not status.final)


def snapshot(core: Core, now: float) -> Snapshot:
    """Return everything that /metrics shows of a core as of now."""
    shown = list(_shown(core, now))
    held = _held(core, now)
    samples = stored_samples(shown, held)
    _add_in_flight(samples, core)
    _add_windows(samples, core.committer.windows.sums(now))
    _add_own(samples, core)
    for desk in core.desks.values():
        _add_desk(samples, desk, now)
    layout = core.totals.layout
    exemplars = {key: dict(told) for key, told in core.totals.exemplars.items() if key not in held}
    exemplars |= {
        (metrics.POLL_DURATION, (name,)): dict(desk.meter.durations.exemplars) for name, desk in core.desks.items()
    }
    return Snapshot(samples, {metric: layout.names(metric) for metric in METRICS}, exemplars)


def _shown(core: Core, now: float) -> Iterator[tuple[Key, Value]]:
    """Leave out what has been idle for long, and objectives that are no more."""
    rules = core.rules
    objectives = {objective.name for objective in core.counting.objectives}
    for key, value in core.totals.values.items():
        metric, labels = key
        if metric.spread is not Spread.NONE and key not in core.expected and rules.idle(metric.spread_of(labels), now):
            continue
        if metric.labels == ("objective",) and labels[-1] not in objectives:
            continue
        yield key, value


def _held(core: Core, now: float) -> dict[Key, Value]:
    """Return what shows 0 still, so that `increase()` sees the first event of a new series."""
    born = core.totals.born_at
    for key in [key for key, at in born.items() if now - at >= core.zero_hold]:
        del born[key]
    return {key: core.totals.layout.zero(key[0]) for key in born}


def _add_in_flight(samples: Samples, core: Core) -> None:
    counts = samples[metrics.IN_FLIGHT]
    for account, channel in core.pairs:
        counts.update({(account, channel, status.label): 0.0 for status in _IN_FLIGHT})
        samples[metrics.OLDER_THAN].update({(account, channel, age): 0.0 for age, _ in AGES})
    for (_, labels), count in core.committer.gauges.items():
        counts[labels] = float(count)
    for (account, channel), older in core.tracker.aging.older.items():
        for (age, _), count in zip(AGES, older, strict=True):
            samples[metrics.OLDER_THAN][account, channel, age] = float(count)


def _add_windows(samples: Samples, sums: Mapping[WindowKey, Decimal]) -> None:
    matured: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    fallbacks: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for (name, labels), value in sums.items():
        if name == WINDOW_MATURED:
            matured[labels[:2]][labels[2]] = float(value)
        elif name == WINDOW_FALLBACK:
            fallbacks[labels[:2]][labels[2]] = float(value)
        elif name == WINDOW_COST:
            samples[metrics.COST_WINDOW][labels] = float(value)
            if delivered := sums.get((WINDOW_DELIVERED, labels[:2])):
                samples[metrics.COST_PER_DELIVERED][labels] = float(value / delivered)
    _add_ratio(samples, metrics.FALLBACK_RATIO, fallbacks, Fallback.USED.value)
    for results in matured.values():
        results.pop(Maturity.UNKNOWN.value, None)
    _add_ratio(samples, metrics.DELIVERY_RATIO, matured, Maturity.DELIVERED.value)


def _add_ratio(
    samples: Samples, metric: Metric, counts: Mapping[tuple[str, ...], Mapping[str, float]], part: str
) -> None:
    for labels, by_name in counts.items():
        if total := sum(by_name.values()):
            samples[metric][labels] = by_name.get(part, 0.0) / total


def _add_own(samples: Samples, core: Core) -> None:
    meter, reloads = core.committer.meter, core.reloads
    samples[metrics.BUILD_INFO][__version__, core.revision, platform.python_version()] = 1.0
    samples[metrics.MAX_IN_FLIGHT][()] = float(core.admission.max_in_flight)
    samples[metrics.PARKED][()] = float(core.plan.parked)
    samples[metrics.RELAY_REQUESTS].update({key: float(count) for key, count in core.relay.requests.items()})
    samples[metrics.RELAY_UNTRACKED][()] = float(core.relay.untracked)
    webhooks = core.tracker.announced.meter
    samples[metrics.WEBHOOKS].update({(name, what.value): float(n) for (name, what), n in webhooks.results.items()})
    samples[metrics.WEBHOOKS_MISSED].update({(name,): float(count) for name, count in webhooks.missed.items()})
    samples[metrics.LABELS_IGNORED][()] = float(core.rules.ignored)
    samples[metrics.LABEL_OVERFLOW].update({(name,): float(count) for name, count in core.rules.overflowed.items()})
    samples[metrics.SPANS].update({(result,): float(count) for result, count in core.spans.results.items()})
    samples[metrics.STORE_UP][()] = float(meter.problem is None)
    samples[metrics.STORE_COMMIT][()] = meter.commits.read()
    samples[metrics.STORE_ERRORS][()] = float(meter.errors)
    samples[metrics.RELOAD_OK][()] = float(not reloads.errors)
    samples[metrics.RELOAD_AT][()] = reloads.succeeded_at
    for objective in core.counting.objectives:
        samples[metrics.OBJECTIVE_TARGET][objective.name,] = objective.target


def _add_desk(samples: Samples, desk: Desk, now: float) -> None:
    name, meter = desk.account, desk.meter
    paused = desk.budget.paused(now)
    samples[metrics.API_UP][name,] = float(api_up(desk, now))
    samples[metrics.PAUSED].update({(name, pause.value): float(pause in paused) for pause in Pause})
    if meter.last_success_at:
        samples[metrics.LAST_SUCCESS][name,] = meter.last_success_at
    samples[metrics.POLLS].update({(name, result.value): float(count) for result, count in meter.results.items()})
    samples[metrics.POLL_DURATION][name,] = meter.durations.read()
    samples[metrics.POLL_LAG][name,] = meter.lags.read()
    samples[metrics.POLLS_DUE][name,] = float(desk.queue.backlog(now))
    samples[metrics.BUDGET][name,] = 0.0 if paused else desk.budget.per_second
    samples[metrics.DEMAND][name,] = desk.queue.demand_per_second()


def api_up(desk: Desk, now: float) -> bool:
    """Whether the API was understood within a minute, or nothing was asked since it was, or ever."""
    return desk.meter.last_understood is not False or now - desk.meter.last_success_at <= _UP_SECONDS


def problems(core: Core) -> list[str]:
    """Say what is wrong now, a line each, in words."""
    now = core.clock.now()
    lines = []
    if core.committer.meter.problem is not None:
        lines.append(f"store: {core.committer.meter.problem}; polling waits, and goes on by itself")
    if core.reloads.errors:
        lines.append("config: the last reload failed; the old configuration stays in use")
    for desk in core.desks.values():
        lines += [f"account {desk.account}: {_PAUSES[pause]}" for pause in desk.budget.paused(now) if pause in _PAUSES]
        if not api_up(desk, now):
            lines.append(f"account {desk.account}: SMSBat's API has not answered understandably for a minute")
    if core.plan.parked:
        lines.append(f"{core.plan.parked} messages are parked: their account is not configured")
    return lines

"""docs/metrics.md: every metric of the exporter, what it says, and which alerts watch it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.catalogue import METRICS, Metric
from prometheus.source.grafana import inlined
from prometheus.source.values import Alert, Record

_CONFIGURED: Final = {"+": "*labels*", "?": "(*labels*)"}
_PARTS: Final = r"(?:_bucket|_count|_sum)?"
_TOP: Final = """\
<!-- Made by `python -m prometheus.source` (make rules) from exporter/catalogue.py and prometheus/source/. -->

# Metrics

*labels* are those that the configuration names in `labels`; (*labels*) need `histogram_labels: true` besides. A
histogram has `_bucket`, `_sum` and `_count`. What is *kept* goes on after a restart where it was; other counters and
histograms start at 0 with each process, which `rate()` and `increase()` see.

Counters of messages exist at 0 for every account and channel that the configuration names, and a series that is born
later shows 0 for `zero_hold` first, so that `increase()` sees the first message and the first failure. Ratios with
nothing to measure are absent.

Over several instances, `sum` what `rate` or `increase` returned, never the counters themselves, and divide sums by
sums; take the `max` of `smsbat_objective_target_ratio`. The alerts' links lead to their runbooks.

| metric | type | labels | kept | what it says | alerts |
|---|---|---|---|---|---|
"""
_BOTTOM: Final = """
Besides these there are `process_*`, `python_info` and `python_gc_*`.
"""


def page(alerts: Iterable[Alert], records: Mapping[str, Record]) -> str:
    """Return the page."""
    watched = {alert.name: inlined(alert.expr, records) for alert in alerts}
    return _TOP + "".join(f"{_row(metric, watched)}\n" for metric in METRICS) + _BOTTOM


def _row(metric: Metric, watched: Mapping[str, str]) -> str:
    names = (*metric.spread.value, *metric.labels)
    labels = ", ".join(_CONFIGURED.get(name, f"`{name}`") for name in names) or "-"
    watching = [name for name, expr in watched.items() if re.search(rf"\b{metric.name}{_PARTS}\b", expr)]
    alerts = ", ".join(f"[{name}](runbooks.md#{name.lower()})" for name in watching) or "-"
    kept = "yes" if metric.stored else "-"
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {kept} | {metric.help} | {alerts} |"

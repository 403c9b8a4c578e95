"""docs/metrics.md, the contract's table and the code name the same metrics."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.catalogue import METRICS
from prometheus.source.catalogue import ALERTS
from tests.test_view import promised

PAGE = (Path(__file__).parents[1] / "docs" / "metrics.md").read_text("utf-8")
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| (?:yes|-) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def labels(cell: str) -> frozenset[str]:
    """Read a cell with `campaign` as the one configured label, and none on histograms."""
    return frozenset(re.findall(r"`(\w+)`", re.sub(r"(?<!\()\*labels\*", "`campaign`", cell)))


def test_the_page_names_the_contracts_metrics_with_their_types_and_labels() -> None:
    assert {name: (kind, labels(cell)) for name, kind, cell, _ in ROW.findall(PAGE)} == promised()


def test_the_page_names_the_codes_metrics_in_their_order() -> None:
    rows = [(name, kind) for name, kind, _, _ in ROW.findall(PAGE)]
    assert rows == [(metric.name, metric.kind.value) for metric in METRICS]


def test_every_alert_watches_a_metric_of_the_page() -> None:
    watching = {name for _, _, _, cell in ROW.findall(PAGE) for name in re.findall(r"\[(\w+)\]", cell)}
    assert watching == set(ALERTS)

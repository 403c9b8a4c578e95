"""What one scrape showed, as values to compare."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its labels in the order of their names."""

_STORED: Final = re.compile(
    r"smsbat_(?!exporter_|.*(in_flight|_ratio|_window|cost_per_delivered)).*|smsbat_exporter_(anomalies|intake)_total"
)


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of one scrape, and the type of each family."""

    samples: Mapping[Series, float]
    types: Mapping[str, str]

    def sum(self, name: str, **labels: str) -> float:
        """Add up the samples of this name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (own, pairs), value in self.samples.items() if own == name and wanted <= set(pairs))

    def shown(self, names: Collection[str]) -> dict[Series, float]:
        """Return the samples of these names that are not 0."""
        return {series: value for series, value in self.samples.items() if value and series[0] in names}

    def totals(self) -> dict[Series, float]:
        """Return the totals that outlive the process."""
        return {series: value for series, value in self.samples.items() if _STORED.fullmatch(series[0])}


def series(name: str, labels: Mapping[str, str]) -> Series:
    """Return a sample's name and labels as a key."""
    return name, tuple(sorted(labels.items()))


def text_format(body: str) -> Scrape:
    """Read text format 0.0.4."""
    return _read(parse_text(body))


def openmetrics(body: str) -> Scrape:
    """Read OpenMetrics; a ValueError where it is none."""
    return _read(parse_openmetrics(body))  # type: ignore[no-untyped-call]  # the client library has no types there


def _read(families: Iterable[Family]) -> Scrape:
    samples: dict[Series, float] = {}
    types: dict[str, str] = {}
    for family in families:
        types[family.name] = family.type
        for sample in family.samples:
            samples[series(sample.name, sample.labels)] = sample.value
    return Scrape(samples, types)

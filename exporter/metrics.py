"""The one Collector: what is stored and what the exporter knows of itself, as Prometheus' metric families."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from exporter.catalogue import METRICS, Kind, Metric
from exporter.totals import Histogram, Key, Value

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Samples = dict[Metric, dict[tuple[str, ...], float | Histogram]]
"""What is shown: by metric, by label values in the order of its label names."""


class Snapshot(Collector):
    """Metrics as of one moment; it never changes, so it may be rendered in another thread."""

    def __init__(self, samples: Samples, names: Mapping[Metric, tuple[str, ...]]) -> None:
        """Take the samples, and the label names of each metric."""
        self._samples = samples
        self._names = names

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the catalogue, also one without samples."""
        for metric in METRICS:
            if metric in self._names:
                yield _family(metric, self._names[metric], self._samples.get(metric, {}))


def _family(metric: Metric, names: tuple[str, ...], samples: Mapping[tuple[str, ...], float | Histogram]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histograms = HistogramMetricFamily(metric.name, metric.help, labels=names)
        for values, histogram in sorted(samples.items()):
            if isinstance(histogram, Histogram):
                histograms.add_metric(values, _buckets(histogram), histogram.sum)
        return histograms
    family = (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
        metric.name, metric.help, labels=names
    )
    for values, value in sorted(samples.items()):
        if not isinstance(value, Histogram):
            family.add_metric(values, value)
    return family


_INFINITY: Final = "+Inf"


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    edges = [*map(str, histogram.edges), _INFINITY]
    return list(zip(edges, accumulate(histogram.counts), strict=True))


def stored_samples(values: Iterable[tuple[Key, Value]], held: Mapping[Key, Value]) -> Samples:
    """Return the totals as samples; those in `held` show what they started with."""
    samples: Samples = defaultdict(dict)
    for key, total in values:
        value = held.get(key, total)
        samples[key[0]][key[1]] = value if isinstance(value, Histogram) else float(value)
    return samples

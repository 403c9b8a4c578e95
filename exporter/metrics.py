"""The one Collector: what is stored and what the exporter knows of itself, as Prometheus' metric families."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as Shown

from exporter.catalogue import METRICS, Kind, Metric
from exporter.exemplars import Exemplar, Exemplars
from exporter.totals import Histogram, Key, Value

if TYPE_CHECKING:
    from prometheus_client import Metric as Family

Samples = dict[Metric, dict[tuple[str, ...], float | Histogram]]
"""What is shown: by metric, by label values in the order of its label names."""


class Snapshot(Collector):
    """Metrics as of one moment; it never changes, so it may be rendered in another thread."""

    def __init__(
        self,
        samples: Samples,
        names: Mapping[Metric, tuple[str, ...]],
        exemplars: Mapping[Key, Exemplars] = MappingProxyType({}),
    ) -> None:
        """Take the samples, the label names of each metric, and the spans beside the buckets of histograms."""
        self._samples = samples
        self._names = names
        self._exemplars = exemplars

    def collect(self) -> Iterator[Family]:
        """Yield every metric of the catalogue, also one without samples."""
        for metric in METRICS:
            if metric in self._names:
                samples = self._samples.get(metric, {})
                if metric.kind is Kind.HISTOGRAM:
                    yield self._histograms(metric, samples)
                else:
                    yield _family(metric, self._names[metric], samples)

    def _histograms(self, metric: Metric, samples: Mapping[tuple[str, ...], float | Histogram]) -> Family:
        histograms = HistogramMetricFamily(metric.name, metric.help, labels=self._names[metric])
        for values, histogram in sorted(samples.items()):
            if isinstance(histogram, Histogram):
                buckets = _buckets(histogram, self._exemplars.get((metric, values), {}))
                histograms.add_metric(values, buckets, histogram.sum)
        return histograms


def _family(metric: Metric, names: tuple[str, ...], samples: Mapping[tuple[str, ...], float | Histogram]) -> Family:
    family = (CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily)(
        metric.name, metric.help, labels=names
    )
    for values, value in sorted(samples.items()):
        if not isinstance(value, Histogram):
            family.add_metric(values, value)
    return family


_INFINITY: Final = "+Inf"


def _buckets(histogram: Histogram, exemplars: Exemplars) -> list[tuple[str, float] | tuple[str, float, Shown]]:
    edges = [*map(str, histogram.edges), _INFINITY]
    buckets: list[tuple[str, float] | tuple[str, float, Shown]] = [
        *zip(edges, accumulate(histogram.counts), strict=True)
    ]
    for place, exemplar in exemplars.items():
        edge, count = buckets[place][:2]
        buckets[place] = (edge, count, _shown(exemplar))
    return buckets


def _shown(exemplar: Exemplar) -> Shown:
    labels = {"trace_id": exemplar.ids.trace_id, "span_id": exemplar.ids.span_id}
    return Shown(labels, exemplar.value, exemplar.at)


def stored_samples(values: Iterable[tuple[Key, Value]], held: Mapping[Key, Value]) -> Samples:
    """Return the totals as samples; those in `held` show what they started with."""
    samples: Samples = defaultdict(dict)
    for key, total in values:
        value = held.get(key, total)
        samples[key[0]][key[1]] = value if isinstance(value, Histogram) else float(value)
    return samples

"""What the demo says: where to look at the start, and then how it goes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter import catalogue as metrics
from exporter.message import Outcome
from exporter.totals import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.catalogue import Metric
    from exporter.totals import Key, Value

_INTRODUCTION: Final = "{url} {apis}"
_FAILED: Final = (Outcome.UNDELIVERABLE.value, Outcome.PERMANENTERROR.value)


def introduction(url: str, apis: Mapping[str, str]) -> str:
    """Return what runs, where to look, what moves, what does not, and how to stop it."""
    return _INTRODUCTION.format(url=url, **apis, apis="")


def status_line(age_seconds: float, totals: Mapping[Key, Value], in_flight: int, polls: int) -> str:
    """Return one line; its totals are committed ones, which /metrics shows after `zero_hold` at the latest."""
    ended: Counter[str] = Counter()
    accepted = 0
    for (metric, labels), value in totals.items():
        if metric is metrics.FINISHED and isinstance(value, int):
            ended[labels[-2]] += value
        elif metric is metrics.ACCEPTED and isinstance(value, int):
            accepted += value
    delivered, failed = ended["delivered"], sum(ended[outcome] for outcome in _FAILED)
    return (
        f"{age_seconds:5.0f} s  accepted {accepted}  in flight {in_flight}  delivered {delivered}  failed {failed}"
        f"  timeout {ended['timeout']}  not found {ended['not_found']}  {_median(totals)}"
        f"  {polls / max(accepted, 1):.1f} polls a message"
    )


def _median(totals: Mapping[Key, Value]) -> str:
    """Return the band that the median time to delivery lies in for certain."""
    earliest = _histograms(totals, metrics.DELIVERY_TIME_LOWER)
    latest = _histograms(totals, metrics.DELIVERY_TIME)
    if not any(count for histogram in latest for count in histogram.counts):
        return "nothing delivered yet"
    return f"median time {_bucket(earliest)[0]:g}-{_bucket(latest)[1]:g} s"


def _histograms(totals: Mapping[Key, Value], wanted: Metric) -> list[Histogram]:
    return [value for (metric, _), value in totals.items() if metric is wanted and isinstance(value, Histogram)]


def _bucket(histograms: Iterable[Histogram]) -> tuple[float, float]:
    """Return both ends of the bucket that holds the median of all observations."""
    counts: Counter[float] = Counter()
    for histogram in histograms:
        counts.update(dict(zip((*histogram.edges, float("inf")), histogram.counts, strict=True)))
    half, below, low = counts.total() / 2, 0.0, 0.0
    for edge in sorted(counts):
        below += counts[edge]
        if below >= half:
            return low, edge
        low = edge
    return low, float("inf")

"""The totals as they are stored, and what a commit adds to them; nothing is shown that is not stored."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Context, Decimal
from typing import Final

import msgspec

from exporter.catalogue import STORED, Kind, Metric
from exporter.exemplars import Exemplar, Exemplars
from exporter.store import TotalRow
from exporter.trace_ids import TraceIds

Key = tuple[Metric, tuple[str, ...]]
"""A metric, and the values of its labels in their order."""

_EXACT: Final = Context(prec=60)
"""Sums of money: amounts of up to 10^9 with 24 decimals, added up 10^27 times, stay exact."""


class Histogram(msgspec.Struct, frozen=True, gc=False):
    """Observations by bucket: how many lie in each (the last is above all edges), and their sum."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    def plus(self, observations: Iterable[float]) -> Histogram:
        """Return the histogram with more observations."""
        counts = list(self.counts)
        total = self.sum
        for seconds in observations:
            counts[bisect_left(self.edges, seconds)] += 1
            total += seconds
        return Histogram(self.edges, tuple(counts), total)


def empty(edges: tuple[float, ...]) -> Histogram:
    """Return a histogram without observations."""
    return Histogram(edges, (0,) * (len(edges) + 1), 0.0)


Value = int | Decimal | Histogram


class Tally:
    """What a commit will add."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.counts: dict[Key, int | Decimal] = {}
        self.observations: dict[Key, list[float]] = {}
        self.gauges: dict[Key, int] = {}
        self.windows: dict[tuple[str, tuple[str, ...]], int | Decimal] = {}
        self.exemplars: list[tuple[Key, float, TraceIds]] = []
        """Observations, with the spans that explain them."""

    def count(self, metric: Metric, *values: str, by: int | Decimal = 1) -> None:
        """Add to a counter."""
        key = (metric, values)
        self.counts[key] = _plus(self.counts.get(key, 0), by)

    def observe(self, metric: Metric, seconds: float, *values: str) -> None:
        """Add to a histogram."""
        self.observations.setdefault((metric, values), []).append(seconds)

    def illustrate(self, metric: Metric, seconds: float, ids: TraceIds, *values: str) -> None:
        """Have an observation's span shown beside its bucket."""
        self.exemplars.append(((metric, values), seconds, ids))

    def move(self, metric: Metric, *values: str, by: int) -> None:
        """Move a gauge of the messages in flight, which is counted anew at each start."""
        key = (metric, values)
        self.gauges[key] = self.gauges.get(key, 0) + by

    def note(self, name: str, *values: str, by: int | Decimal = 1) -> None:
        """Add to what the gauges over a window are made of."""
        key = (name, values)
        self.windows[key] = _plus(self.windows.get(key, 0), by)

    def move_keys(self, moved: Callable[[Key], Key]) -> None:
        """Count under other keys; those that become one are added up."""
        counts, observations, exemplars = self.counts, self.observations, self.exemplars
        self.counts, self.observations = {}, {}
        self.exemplars = [(moved(key), seconds, ids) for key, seconds, ids in exemplars]
        for key, amount in counts.items():
            self.counts[moved(key)] = _plus(self.counts.get(moved(key), 0), amount)
        for key, seconds in observations.items():
            self.observations.setdefault(moved(key), []).extend(seconds)


def _plus(one: int | Decimal, other: int | Decimal) -> int | Decimal:
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    return _EXACT.add(Decimal(one), Decimal(other))


class Layout(msgspec.Struct, frozen=True):
    """What the configuration says about the shape of the totals."""

    labels: tuple[str, ...]
    histogram_labels: bool
    buckets: tuple[float, ...]

    def names(self, metric: Metric) -> tuple[str, ...]:
        """Return a metric's label names."""
        return metric.label_names(self.labels, on_histograms=self.histogram_labels)

    def edges(self, metric: Metric) -> tuple[float, ...]:
        """Return a histogram's bucket edges; polls happen just below the buckets, so the lower bound has its own."""
        if metric.name.endswith("lower_bound_seconds"):
            return tuple(round(edge * 0.9, 9) for edge in self.buckets)
        return self.buckets

    def zero(self, metric: Metric) -> Value:
        """Return what a series of this metric starts with."""
        return empty(self.edges(metric)) if metric.kind is Kind.HISTOGRAM else 0


class Totals:
    """The totals that the store holds, by series; the ones that today's labels do not fit are kept apart, unshown."""

    def __init__(self, layout: Layout, rows: Iterable[TotalRow]) -> None:
        """Take what the store held at the start."""
        self.layout = layout
        self.values: dict[Key, Value] = {}
        self.born_at: dict[Key, float] = {}
        """When a series that the store did not know came up in this process."""
        self.touched_at: dict[Key, float] = {}
        self.exemplars: dict[Key, Exemplars] = {}
        self._unshown: dict[tuple[str, str], TotalRow] = {}
        self._restarted: set[Key] = set()
        """Histograms that start again at 0, while the store still has them with their old buckets."""
        self._take(rows)

    def _take(self, rows: Iterable[TotalRow]) -> None:
        for row in rows:
            metric = STORED.get(row.metric)
            named: dict[str, str] = msgspec.json.decode(row.labels)
            names = self.layout.names(metric) if metric is not None else ()
            if metric is None or set(named) != set(names):
                self._unshown[row.metric, row.labels] = row
                continue
            key = (metric, tuple(named[name] for name in names))
            value = self.values[key] = _value(metric, row.value)
            self.touched_at[key] = row.touched_at
            if isinstance(value, Histogram) and value.edges != self.layout.edges(metric):
                self.values[key] = self.layout.zero(metric)
                self._restarted.add(key)

    def relay_out(self, layout: Layout, pending: Tally) -> None:
        """Follow a configuration with other labels or buckets; what is not stored yet counts under the new ones."""
        if layout == self.layout:
            return
        rows = [*self._unshown.values(), *_rows_of(self.values, self.layout, self.touched_at, 0.0)]
        pending.move_keys(lambda key: _under(key, self.layout, layout))
        self.layout = layout
        self.values, self.touched_at, self._unshown, self.exemplars = {}, {}, {}, {}
        self._take(rows)
        self.born_at = {key: at for key, at in self.born_at.items() if key in self.values}

    def expect(self, keys: Iterable[Key], tally: Tally, now: float) -> None:
        """Show these series at 0 from now on, and tally what makes the store know them and what starts again."""
        for key in self._restarted:
            tally.observations.setdefault(key, [])
        self._restarted.clear()
        for key in keys:
            if key not in self.values:
                metric = key[0]
                if metric.kind is Kind.HISTOGRAM:
                    tally.observations.setdefault(key, [])
                else:
                    tally.counts.setdefault(key, 0)
                self.values[key] = self.layout.zero(metric)
                self.born_at[key] = now

    def sum_up(self, tally: Tally) -> dict[Key, Value]:
        """Return what the tallied series come to."""
        sums: dict[Key, Value] = {}
        for key, amount in tally.counts.items():
            before = self.values.get(key, 0)
            if not isinstance(before, Histogram):
                sums[key] = _plus(before, amount)
        for key, observations in tally.observations.items():
            histogram = self.values.get(key, self.layout.zero(key[0]))
            if isinstance(histogram, Histogram):
                sums[key] = histogram.plus(observations)
        return sums

    def rows(self, sums: Mapping[Key, Value], now: float) -> list[TotalRow]:
        """Return the sums as the store keeps them."""
        return list(_rows_of(sums, self.layout, self.touched_at, now))

    def publish(self, sums: Mapping[Key, Value], layout: Layout, now: float) -> None:
        """Show what has been stored, under the layout that it was summed up under."""
        if layout is not self.layout:
            self._take(_rows_of(sums, layout, {}, now))
            return
        for key in sums:
            if key not in self.values:
                self.born_at[key] = now
            self.touched_at[key] = now
        self.values.update(sums)

    def illustrate(self, exemplars: Iterable[tuple[Key, float, TraceIds]], now: float) -> None:
        """Show the spans of stored observations, the last one for each bucket."""
        for key, seconds, ids in exemplars:
            place = bisect_left(self.layout.edges(key[0]), seconds)
            self.exemplars.setdefault(key, {})[place] = Exemplar(ids, seconds, now)


def _value(metric: Metric, text: str) -> Value:
    if metric.kind is Kind.HISTOGRAM:
        return msgspec.json.decode(text, type=Histogram)
    value: int | str = msgspec.json.decode(text, type=int | str)
    return value if isinstance(value, int) else Decimal(value)


def _under(key: Key, old: Layout, new: Layout) -> Key:
    """Return the same series under other labels: what is gone is dropped, what is new is empty."""
    metric, values = key
    given = dict(zip(old.names(metric), values, strict=True))
    return metric, tuple(given.get(name, "") for name in new.names(metric))


def _rows_of(
    sums: Mapping[Key, Value], layout: Layout, touched_at: Mapping[Key, float], now: float
) -> Iterator[TotalRow]:
    for (metric, values), value in sums.items():
        labels = msgspec.json.encode(dict(sorted(zip(layout.names(metric), values, strict=True)))).decode()
        at = max(now, touched_at.get((metric, values), 0.0))
        yield TotalRow(metric.name, labels, msgspec.json.encode(value).decode(), at)

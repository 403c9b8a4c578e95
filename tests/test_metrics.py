"""Samples as Prometheus' metric families: cumulative buckets, a fixed order, and every metric named."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families
from prometheus_client.samples import Exemplar as Shown

from exporter import catalogue as metrics
from exporter.catalogue import METRICS, STORED, Kind
from exporter.exemplars import Exemplar
from exporter.metrics import Samples, Snapshot, stored_samples
from exporter.totals import Histogram
from exporter.trace_ids import TraceIds

NAMES = {metric: metric.label_names((), on_histograms=False) for metric in METRICS}
SMS = ("main", "sms")


def samples_of(samples: Samples) -> dict[tuple[str, ...], float]:
    families = Snapshot(samples, NAMES).collect()
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


def test_a_histogram_is_shown_with_cumulative_buckets_up_to_infinity() -> None:
    shown = samples_of({metrics.FAILURE_TIME: {SMS: Histogram((1.0, 2.5), (3, 0, 2), 12.5)}})
    name = metrics.FAILURE_TIME.name
    assert shown == {
        (f"{name}_bucket", *SMS, "1.0"): 3,
        (f"{name}_bucket", *SMS, "2.5"): 3,
        (f"{name}_bucket", *SMS, "+Inf"): 5,
        (f"{name}_count", *SMS): 5,
        (f"{name}_sum", *SMS): 12.5,
    }


def test_a_metric_without_samples_is_still_named() -> None:
    families = {family.name for family in Snapshot({}, NAMES).collect()}
    assert families == {metric.name.removesuffix("_total") for metric in METRICS}


def test_names_follow_the_conventions() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("smsbat_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.help.endswith(".")
    assert set(STORED) == {
        metric.name
        for metric in METRICS
        if metric.kind is not Kind.GAUGE and not metric.name.startswith("smsbat_exporter_")
    } | {"smsbat_exporter_anomalies_total", "smsbat_exporter_intake_total"}


def test_what_is_held_shows_what_it_started_with() -> None:
    one, other = (metrics.ACCEPTED, SMS), (metrics.ACCEPTED, ("main", "rcs"))
    shown = stored_samples([(one, 5), (other, Decimal("0.3"))], {one: 0})
    assert shown == {metrics.ACCEPTED: {SMS: 0.0, ("main", "rcs"): 0.3}}


@given(st.text(), st.floats(0, 1e15))
def test_any_label_value_survives_both_formats(text: str, value: float) -> None:
    snapshot = Snapshot({metrics.ACCEPTED: {("main", text): value}}, NAMES)
    encoded = text.encode("utf-8", "replace").decode()
    if encoded != text:
        return
    for render, parse in ((generate_latest, text_families), (openmetrics.generate_latest, openmetrics_families)):
        found = [
            it for family in parse(render(snapshot).decode()) for it in family.samples if it.name.endswith("_total")
        ]
        assert [(it.labels, it.value) for it in found] == [({"account": "main", "channel": text}, value)]


IDS = TraceIds("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def test_exemplars_stand_beside_their_buckets_in_openmetrics_only() -> None:
    key = (metrics.FAILURE_TIME, SMS)
    histogram = Histogram((1.0, 2.5), (1, 0, 1), 12.5)
    snapshot = Snapshot(
        {key[0]: {SMS: histogram}}, NAMES, {key: {0: Exemplar(IDS, 0.5, 1.8e9), 2: Exemplar(IDS, 12, 7)}}
    )
    (family,) = [it for it in snapshot.collect() if it.name == metrics.FAILURE_TIME.name]
    ids = {"trace_id": IDS.trace_id, "span_id": IDS.span_id}
    shown = {it.labels["le"]: it.exemplar for it in family.samples if "le" in it.labels}
    assert shown == {"1.0": Shown(ids, 0.5, 1.8e9), "2.5": None, "+Inf": Shown(ids, 12, 7)}
    assert b"trace_id" not in generate_latest(snapshot)
    text = openmetrics.generate_latest(snapshot).decode()  # type: ignore[no-untyped-call]  # without types there
    assert text.count("trace_id") == 2
    (read,) = [it for it in openmetrics_families(text) if it.name == metrics.FAILURE_TIME.name]  # type: ignore[no-untyped-call]
    assert [it.exemplar.labels for it in read.samples if it.exemplar] == [ids, ids]
    # OpenMetrics allows so many characters for the names and values of its labels.
    assert sum(map(len, [*ids, *ids.values()])) <= 128

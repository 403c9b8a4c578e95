"""Samples as Prometheus' metric families: cumulative buckets, a fixed order, and every metric named."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter import catalogue as metrics
from exporter.catalogue import METRICS, STORED, Kind
from exporter.metrics import Samples, Snapshot, stored_samples
from exporter.totals import Histogram

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

"""Every file that is made from the catalogue, as its path below the project and its text."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus.source import grafana, rules
from prometheus.source.cases.catalogue import CASES
from prometheus.source.cases.promtool import tests
from prometheus.source.catalogue import ALERTS, GROUPS, RECORDS
from prometheus.source.layout import explained, written
from prometheus.source.metrics_page import page

File = tuple[str, str]


def files() -> Iterator[File]:
    """Yield them all."""
    yield "prometheus/rules.yaml", written(rules.recording_rules(GROUPS))
    yield "prometheus/alerts.yaml", written(rules.alerting_rules(GROUPS))
    for alert, cases in CASES.items():
        yield f"prometheus/tests/{alert}.yaml", written(tests(cases, ALERTS, ("../rules.yaml", "../alerts.yaml")))
    yield "docs/metrics.md", page(ALERTS.values(), RECORDS)
    yield from _provisioning()


def _provisioning() -> Iterator[File]:
    folder = "grafana/provisioning"
    yield (
        f"{folder}/alerting/smsbat-rules.yaml",
        explained(
            written(
                grafana.alert_rules(GROUPS, RECORDS),
                "The alerts of prometheus/alerts.yaml with the recording rules filled in: load these or those.",
                "Each query holds its comparison, so a healthy one returns nothing: noDataState is OK throughout, and",
                "behind each execErrState stands why.",
            ),
            "execErrState",
            (alert.why for alert in ALERTS.values()),
        ),
    )
    yield (
        f"{folder}/alerting/smsbat-contact-points.yaml",
        written(grafana.contact_points(), "An example: change the addresses."),
    )
    yield (
        f"{folder}/alerting/smsbat-policies.yaml",
        written(grafana.policies(), "An example. Grafana has one tree of policies: this file REPLACES the one it has."),
    )
    yield (
        f"{folder}/datasources/smsbat.yaml",
        written(
            grafana.data_sources(),
            "Change the addresses. Without traces, leave out Tempo and exemplarTraceIdDestinations.",
        ),
    )
    yield (
        f"{folder}/dashboards/smsbat.yaml",
        written(grafana.dashboard_providers(), "Mount grafana/dashboards/ of the project at this path."),
    )

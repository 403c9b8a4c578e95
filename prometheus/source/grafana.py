"""The catalogue as Grafana's file provisioning reads it: the same alerts, who is told, data sources, dashboards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus.source.rules import dashboard, runbook
from prometheus.source.values import Alert, Group, Record

PROMETHEUS_UID: Final = "smsbat-prometheus"
TEMPO_UID: Final = "smsbat-tempo"
FOLDER: Final = "SMSBat"
_RECORD: Final = re.compile(r"\w+(?::\w+){2}")


def inlined(expr: str, records: Mapping[str, Record]) -> str:
    """Return an expression with each recorded series replaced by what it records.

    Grafana's alerts so need no recording rules in the Prometheus that they ask.
    """
    return _RECORD.sub(lambda found: f"({' '.join(records[found[0]].expr.split())})", expr)


def uid(alert: Alert) -> str:
    """Return a rule's uid: smsbat-delivery-rate-low for SmsbatDeliveryRateLow."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.name).lower()


def alert_rules(groups: Iterable[Group], records: Mapping[str, Record]) -> dict[str, object]:
    """Return the alert rules.

    Each query has its comparison in it, so that whatever it returns is trouble and a healthy one returns nothing.
    """
    return {
        "apiVersion": 1,
        "groups": [
            {
                "orgId": 1,
                "name": group.name,
                "folder": FOLDER,
                "interval": "1m",
                "rules": [_rule(alert, records) for alert in group.alerts],
            }
            for group in groups
        ],
    }


def _rule(alert: Alert, records: Mapping[str, Record]) -> dict[str, object]:
    return {
        "uid": uid(alert),
        "title": alert.name,
        "condition": "C",
        "data": [_query(inlined(alert.expr, records)), _found()],
        "noDataState": "OK",
        "execErrState": alert.exec_error.value,
        "for": alert.hold,
        "annotations": {
            "summary": _template(alert.summary),
            "description": _template(alert.description),
            "runbook_url": runbook(alert),
            "dashboard": _template(dashboard(alert)),
        },
        "labels": {"severity": alert.severity.value},
        "isPaused": False,
    }


def _query(expr: str) -> dict[str, object]:
    return {
        "refId": "A",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": PROMETHEUS_UID,
        "model": {
            "refId": "A",
            "datasource": {"type": "prometheus", "uid": PROMETHEUS_UID},
            "editorMode": "code",
            "expr": expr,
            "instant": True,
            "range": False,
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    }


def _found() -> dict[str, object]:
    """Return the condition: the query returned something, which is never below zero."""
    return {
        "refId": "C",
        "relativeTimeRange": {"from": 600, "to": 0},
        "datasourceUid": "__expr__",
        "model": {
            "refId": "C",
            "datasource": {"type": "__expr__", "uid": "__expr__"},
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [-1]}}],
            "intervalMs": 1000,
            "maxDataPoints": 43200,
        },
    }


def _template(text: str) -> str:
    """Return a text for Grafana: without `$`, which its provisioning takes for variables of the environment."""
    return text.replace("$labels.", ".Labels.").replace("$value", ".Values.A.Value")


def contact_points() -> dict[str, object]:
    """Return examples of who is told."""
    return {
        "apiVersion": 1,
        "contactPoints": [
            _contact(
                "smsbat-on-call", "smsbat-on-call-webhook", "webhook", {"url": "http://alerts.example.org/smsbat"}
            ),
            _contact("smsbat-team", "smsbat-team-email", "email", {"addresses": "messaging@example.org"}),
        ],
    }


def _contact(name: str, contact_uid: str, kind: str, settings: dict[str, str]) -> dict[str, object]:
    receiver = {"uid": contact_uid, "type": kind, "settings": settings, "disableResolveMessage": False}
    return {"orgId": 1, "name": name, "receivers": [receiver]}


def policies() -> dict[str, object]:
    """Return an example of which alert goes to whom."""
    return {
        "apiVersion": 1,
        "policies": [
            {
                "orgId": 1,
                "receiver": "smsbat-team",
                "group_by": ["grafana_folder", "alertname", "job", "account"],
                "group_wait": "30s",
                "group_interval": "5m",
                "repeat_interval": "1d",
                "routes": [
                    {
                        "receiver": "smsbat-on-call",
                        "object_matchers": [["severity", "=", "critical"]],
                        "repeat_interval": "4h",
                    }
                ],
            }
        ],
    }


def data_sources() -> dict[str, object]:
    """Return the Prometheus that is asked, whose exemplars lead to the Tempo that has the traces."""
    prometheus = {
        "name": "SMSBat Prometheus",
        "uid": PROMETHEUS_UID,
        "type": "prometheus",
        "access": "proxy",
        "orgId": 1,
        "url": "http://prometheus:9090",
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": "15s",
            "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": TEMPO_UID}],
        },
    }
    tempo = {
        "name": "SMSBat Tempo",
        "uid": TEMPO_UID,
        "type": "tempo",
        "access": "proxy",
        "orgId": 1,
        "url": "http://tempo:3200",
    }
    return {"apiVersion": 1, "datasources": [prometheus, tempo]}


def dashboard_providers() -> dict[str, object]:
    """Return where Grafana finds the dashboards."""
    provider = {
        "name": "smsbat",
        "orgId": 1,
        "folder": FOLDER,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": "/var/lib/grafana/dashboards/smsbat"},
    }
    return {"apiVersion": 1, "providers": [provider]}

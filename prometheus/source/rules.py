"""The catalogue as Prometheus reads it: recording rules and alerts."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus.source.durations import scaled, scaled_expression
from prometheus.source.values import Alert, Group, Record

RUNBOOKS = "docs/runbooks.md"


def recording_rules(groups: Iterable[Group], scale: float = 1.0) -> dict[str, object]:
    """Return the recording rules, with every duration multiplied."""
    return {
        "groups": [
            {
                "name": f"{group.name}-records",
                "interval": scaled("1m", scale),
                "rules": [_record(record, scale) for record in group.records],
            }
            for group in groups
            if group.records
        ]
    }


def alerting_rules(groups: Iterable[Group], scale: float = 1.0) -> dict[str, object]:
    """Return the alerts, with every duration multiplied."""
    return {
        "groups": [
            {
                "name": f"{group.name}-alerts",
                "interval": scaled("1m", scale),
                "rules": [alert_rule(alert, scale) for alert in group.alerts],
            }
            for group in groups
        ]
    }


def _record(record: Record, scale: float) -> dict[str, object]:
    return {"record": record.name, "expr": scaled_expression(record.expr, scale)}


def alert_rule(alert: Alert, scale: float = 1.0) -> dict[str, object]:
    """Return one alert."""
    return {
        "alert": alert.name,
        "expr": scaled_expression(alert.expr, scale),
        "for": scaled(alert.hold, scale),
        "labels": {"severity": alert.severity.value},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": runbook(alert),
            "dashboard": dashboard(alert),
        },
    }


def runbook(alert: Alert) -> str:
    """Return where its section of the runbooks is."""
    return f"{RUNBOOKS}#{alert.name.lower()}"


def dashboard(alert: Alert) -> str:
    """Return the path of its dashboard below Grafana's address, with what the alert is about chosen."""
    chosen = [name for name in ("job", "instance", "account", "channel") if name in alert.labels]
    query = "&".join(f"var-{name}={{{{ $labels.{name} | urlquery }}}}" for name in chosen)
    return f"/d/{alert.dashboard}" + (f"?{query}" if query else "")

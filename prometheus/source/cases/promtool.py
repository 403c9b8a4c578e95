"""Cases as promtool's unit tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus.source.cases.values import Case, Firing, written
from prometheus.source.values import Alert

Document = dict[str, object]


def tests(cases: Sequence[Case], alerts: Mapping[str, Alert], rule_files: Sequence[str]) -> Document:
    """Return a file of tests; all take steps of the same length."""
    (step,) = {case.step for case in cases}
    return {
        "rule_files": list(rule_files),
        "evaluation_interval": f"{step}m",
        "tests": [_test(case, alerts) for case in cases],
    }


def _test(case: Case, alerts: Mapping[str, Alert]) -> Document:
    return {
        "name": case.name,
        "interval": f"{case.step}m",
        "input_series": [{"series": series, "values": values} for series, values in case.fed().items()],
        "promql_expr_test": [
            {
                "expr": 'ALERTS{alertstate="firing"}',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": _sample(each, alerts[each.alert]), "value": 1} for each in firing],
            }
            for minute, firing in case.at.items()
        ],
    }


def _sample(firing: Firing, alert: Alert) -> str:
    if set(firing.labels) != set(alert.labels):
        raise ValueError(f"{alert.name} carries {alert.labels}")
    named = {"alertname": alert.name, "alertstate": "firing", "severity": alert.severity.value}
    return written("ALERTS", {**named, **firing.labels})

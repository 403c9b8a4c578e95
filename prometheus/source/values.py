"""What the catalogue consists of: recording rules, alerts and groups of them, as values."""

from __future__ import annotations

import enum
from textwrap import dedent

import msgspec


class Severity(enum.Enum):
    """What an alert asks for."""

    CRITICAL = "critical"
    """Somebody looks now."""
    WARNING = "warning"
    """Somebody looks in working hours."""


class ExecError(enum.Enum):
    """What Grafana makes of a query that cannot be run."""

    OK = "OK"
    """Nothing."""
    ALERTING = "Alerting"
    """The alert fires."""
    ERROR = "Error"
    """An alert DatasourceError of its own."""


class Record(msgspec.Struct, frozen=True):
    """A recording rule; its name is `level:metric:operations`."""

    name: str
    expr: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert; texts may use `{{ $labels.NAME }}` of `labels`, and `{{ $value }}`."""

    name: str
    expr: str
    hold: str
    """How long it holds before it fires."""
    severity: Severity
    labels: tuple[str, ...]
    """Those of its series."""
    summary: str
    description: str
    dashboard: str
    """The uid of the dashboard that shows it best."""
    exec_error: ExecError
    why: str
    """Why Grafana shall take an error so, and no data as nothing wrong."""


class Group(msgspec.Struct, frozen=True):
    """Rules that are evaluated together, in order: the records first."""

    name: str
    records: tuple[Record, ...]
    alerts: tuple[Alert, ...]


def promql(text: str) -> str:
    """Return an expression without the indentation that it has in the source."""
    return dedent(text).strip()

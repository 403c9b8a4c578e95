"""The exporter itself: its store, its labels, its configuration, and whether it is there at all."""

from __future__ import annotations

from textwrap import indent
from typing import Final

from prometheus.source.values import Alert, ExecError, Group, Severity, promql

_LABELS: Final = ("job", "instance")

STORE_FAILING: Final = Alert(
    name="SmsbatStoreFailing",
    expr=promql("""
          min by (job, instance) (smsbat_exporter_store_up) == 0
        or
          sum by (job, instance) (increase(smsbat_exporter_store_errors_total[5m])) >= 3
    """),
    hold="2m",
    severity=Severity.CRITICAL,
    labels=_LABELS,
    summary="The store of {{ $labels.instance }} fails",
    description=(
        "{{ $labels.instance }} cannot store what it learns: polling waits, new messages are not acknowledged, and"
        " /metrics stands still. Nothing shown so far is lost."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; without the gauge there is nothing to page for",
)
LABELS_OVERFLOWING: Final = Alert(
    name="SmsbatLabelSetsOverflowing",
    expr=promql("""
        sum by (job, label) (increase(smsbat_exporter_label_overflow_total[30m])) > 0
    """),
    hold="15m",
    severity=Severity.WARNING,
    labels=("job", "label"),
    summary="Values of label {{ $labels.label }} become `other`",
    description=(
        "{{ $value | humanize }} messages of the last 30 minutes count under `other`, because label"
        " {{ $labels.label }} has more values, or all labels more combinations, than the configuration allows."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without configured labels there is nothing to warn of",
)
RELOAD_FAILED: Final = Alert(
    name="SmsbatReloadFailed",
    expr=promql("""
        min by (job, instance) (smsbat_exporter_config_last_reload_successful) == 0
    """),
    hold="5m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary="{{ $labels.instance }} runs an old configuration",
    description="The last reload of {{ $labels.instance }} failed; the configuration from before it stays in use.",
    dashboard="smsbat-exporter",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without the gauge there is nothing to warn of",
)
_DOWN: Final = promql("""
    up == 0
    and on (job)
      max by (job) (last_over_time(smsbat_exporter_build_info[1d]))
""")
"""A target that cannot be scraped, of a job that had an exporter within a day, whatever the job is called."""
DOWN: Final = Alert(
    name="SmsbatExporterDown",
    expr=_DOWN,
    hold="3m",
    severity=Severity.CRITICAL,
    labels=_LABELS,
    summary="The exporter at {{ $labels.instance }} is down",
    description=(
        "Prometheus cannot scrape {{ $labels.instance }}. Meanwhile nobody asks about its messages; they are asked"
        " about when it is back, and count then."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; no target at all is SmsbatExporterAbsent",
)
ABSENT: Final = Alert(
    name="SmsbatExporterAbsent",
    expr=f"absent(smsbat_exporter_build_info)\nunless on ()\n(\n{indent(_DOWN, '  ')}\n)",
    hold="5m",
    severity=Severity.CRITICAL,
    labels=(),
    summary="Prometheus knows of no exporter",
    description="There are no metrics of smsbat-exporter, and no target of it that is down: nobody scrapes one.",
    dashboard="smsbat-exporter",
    exec_error=ExecError.ALERTING,
    why="Prometheus cannot be asked, so nobody watches; no data is what absent() finds",
)

GROUP: Final = Group("smsbat-exporter", (), (STORE_FAILING, LABELS_OVERFLOWING, RELOAD_FAILED, DOWN, ABSENT))

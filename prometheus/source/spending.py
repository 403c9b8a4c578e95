"""Messages that take a dearer way than usual, and money that runs faster than usual."""

from __future__ import annotations

from typing import Final

from prometheus.source.values import Alert, ExecError, Group, Record, Severity, promql


def _used_ratio(window: str) -> Record:
    used, configured = 'fallback="used"', 'fallback=~"used|unused"'
    return Record(
        f"job_account_channel:smsbat_messages_finished_fallback_used:ratio_increase{window}",
        promql(f"""
            sum by (job, account, channel) (increase(smsbat_messages_finished_total{{{used}}}[{window}]))
            /
            sum by (job, account, channel) (increase(smsbat_messages_finished_total{{{configured}}}[{window}]))
        """),
    )


RECORDS: Final = (
    _used_ratio("30m"),
    _used_ratio("1d"),
    Record(
        "job_account_currency:smsbat_cost:increase1h",
        "sum by (job, account, currency) (increase(smsbat_cost_total[1h]))",
    ),
)

FALLBACK_SHARE_HIGH: Final = Alert(
    name="SmsbatFallbackShareHigh",
    expr=promql("""
        (
            job_account_channel:smsbat_messages_finished_fallback_used:ratio_increase30m > 0.5
          or
            job_account_channel:smsbat_messages_finished_fallback_used:ratio_increase30m
            > 2 * job_account_channel:smsbat_messages_finished_fallback_used:ratio_increase1d
          and
            job_account_channel:smsbat_messages_finished_fallback_used:ratio_increase30m > 0.25
        )
        and
          sum by (job, account, channel) (increase(smsbat_messages_finished_total{fallback=~"used|unused"}[30m])) >= 50
    """),
    hold="10m",
    severity=Severity.WARNING,
    labels=("job", "account", "channel"),
    summary=(
        "{{ $value | humanizePercentage }} of {{ $labels.channel }} of account {{ $labels.account }} go by a fallback"
    ),
    description=(
        "Of the messages with a fallback that ended in the last 30 minutes (50 or more),"
        " {{ $value | humanizePercentage }} used it: over half, or over a quarter and twice the share of the last day."
    ),
    dashboard="smsbat-fallback-and-cost",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without fallbacks there is nothing to warn of",
)
COST_SPIKE: Final = Alert(
    name="SmsbatCostSpike",
    expr=promql("""
        job_account_currency:smsbat_cost:increase1h
        > 2 * (max_over_time(job_account_currency:smsbat_cost:increase1h[1w:1h] offset 1h) > 0)
        and
          count_over_time(job_account_currency:smsbat_cost:increase1h[1w:1h] offset 1h) >= 24
        and on (job, account)
          sum by (job, account) (increase(smsbat_messages_finished_total[1h])) >= 50
    """),
    hold="5m",
    severity=Severity.WARNING,
    labels=("job", "account", "currency"),
    summary="Account {{ $labels.account }} spent {{ $value | humanize }} {{ $labels.currency }} within an hour",
    description=(
        "Messages that ended in the last hour cost {{ $value | humanize }} {{ $labels.currency }}: over twice the"
        " dearest hour of the week before."
    ),
    dashboard="smsbat-fallback-and-cost",
    exec_error=ExecError.ERROR,
    why="a week of history can time out, which nobody would notice; without cost there is no spike",
)

GROUP: Final = Group("smsbat-spending", RECORDS, (FALLBACK_SHARE_HIGH, COST_SPIKE))

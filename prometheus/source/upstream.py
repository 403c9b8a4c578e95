"""What stands between the exporter and SMSBat: the API, the credentials, the rate, the webhooks."""

from __future__ import annotations

from typing import Final

from prometheus.source.values import Alert, ExecError, Group, Severity, promql

_LABELS: Final = ("job", "account")

API_DOWN: Final = Alert(
    name="SmsbatApiDown",
    expr=promql("""
        min by (job, account) (smsbat_exporter_api_up) == 0
        unless on (job, account)
          max by (job, account) (smsbat_exporter_account_paused{reason=~"unauthorized|forbidden"}) == 1
    """),
    hold="5m",
    severity=Severity.CRITICAL,
    labels=_LABELS,
    summary="SMSBat's API does not answer account {{ $labels.account }}",
    description=(
        "No call of account {{ $labels.account }} was answered understandably for over a minute, five minutes long:"
        " nobody knows what becomes of its messages."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; without the gauge there is nothing to page for",
)
CREDENTIALS_REFUSED: Final = Alert(
    name="SmsbatCredentialsRefused",
    expr=promql("""
        max by (job, account, reason) (smsbat_exporter_account_paused{reason=~"unauthorized|forbidden"}) == 1
    """),
    hold="2m",
    severity=Severity.CRITICAL,
    labels=(*_LABELS, "reason"),
    summary="SMSBat refuses the credentials of account {{ $labels.account }}: {{ $labels.reason }}",
    description=(
        "SMSBat answers account {{ $labels.account }} with {{ $labels.reason }}. It is asked one careful call at a"
        " time; messages stay in flight and go on when a call is understood or the secret changes."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; without the gauge there is nothing to page for",
)
RATE_LIMITED: Final = Alert(
    name="SmsbatRateLimited",
    expr=promql("""
          max by (job, account) (avg_over_time(smsbat_exporter_account_paused{reason="rate_limited"}[15m])) > 0.5
        or
          sum by (job, account) (rate(smsbat_exporter_polls_total{result="rate_limited"}[15m]))
          /
          sum by (job, account) (rate(smsbat_exporter_polls_total[15m]))
          > 0.05
        and
          sum by (job, account) (increase(smsbat_exporter_polls_total{result="rate_limited"}[15m])) >= 10
    """),
    hold="10m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary="SMSBat limits the rate of account {{ $labels.account }}",
    description=(
        "Account {{ $labels.account }} was paused by 429 for over half of the last 15 minutes, or over 5 % of its calls"
        " (10 or more) met 429. Outcomes are learned later."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without calls there is nothing to warn of",
)
DEMAND_ABOVE_BUDGET: Final = Alert(
    name="SmsbatDemandAboveBudget",
    expr=promql("""
        sum by (job, account) (smsbat_exporter_request_demand)
        /
          (sum by (job, account) (smsbat_exporter_request_budget) > 0)
        > 1
    """),
    hold="30m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary="Account {{ $labels.account }} needs {{ $value | humanize }} times the calls that it may make",
    description=(
        "For half an hour the messages in flight have asked for {{ $value | humanize }} times the request budget."
        " Polls are stretched: times to delivery get wider bounds, outcomes come later."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without the gauges there is nothing to warn of",
)
WEBHOOKS_MISSED: Final = Alert(
    name="SmsbatWebhooksMissed",
    expr=promql("""
        sum by (job, account) (increase(smsbat_exporter_webhooks_missed_total[30m]))
        /
          (
              sum by (job, account) (increase(smsbat_exporter_webhooks_missed_total[30m]))
            +
              sum by (job, account) (increase(smsbat_exporter_webhooks_total{result=~"applied|unchanged"}[30m]))
          )
        > 0.5
        and
          sum by (job, account) (increase(smsbat_exporter_webhooks_missed_total[30m])) >= 20
    """),
    hold="10m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary="{{ $value | humanizePercentage }} of the webhooks of account {{ $labels.account }} do not come",
    description=(
        "Polls found {{ $value | humanizePercentage }} of the ends in the last 30 minutes (20 or more) without a"
        " webhook within a minute. Nothing is lost; outcomes are learned at the next poll."
    ),
    dashboard="smsbat-exporter",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without webhooks there is nothing to warn of",
)

GROUP: Final = Group(
    "smsbat-upstream", (), (API_DOWN, CREDENTIALS_REFUSED, RATE_LIMITED, DEMAND_ABOVE_BUDGET, WEBHOOKS_MISSED)
)

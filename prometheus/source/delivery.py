"""Whether messages arrive, and how soon: what a messaging team is paged for."""

from __future__ import annotations

from typing import Final

from prometheus.source.values import Alert, ExecError, Group, Record, Severity, promql

_WHO: Final = "{{ $labels.channel }} of account {{ $labels.account }}"
_LABELS: Final = ("job", "account", "channel")
_KNOWN: Final = 'result=~"delivered|failed|pending"'


def _delivered_ratio(window: str) -> Record:
    return Record(
        f"job_account_channel:smsbat_messages_matured_delivered:ratio_increase{window}",
        promql(f"""
            sum by (job, account, channel) (increase(smsbat_messages_matured_total{{result="delivered"}}[{window}]))
            /
            sum by (job, account, channel) (increase(smsbat_messages_matured_total{{{_KNOWN}}}[{window}]))
        """),
    )


def _median(window: str) -> Record:
    return Record(
        f"job_account_channel:smsbat_time_to_delivery_lower_bound_seconds:median_rate{window}",
        promql(f"""
            histogram_quantile(
              0.5,
              sum by (job, account, channel, le) (rate(smsbat_time_to_delivery_lower_bound_seconds_bucket[{window}]))
            )
        """),
    )


RECORDS: Final = (
    Record(
        "job_account_channel:smsbat_messages_matured:increase30m",
        f"sum by (job, account, channel) (increase(smsbat_messages_matured_total{{{_KNOWN}}}[30m]))",
    ),
    _delivered_ratio("30m"),
    _delivered_ratio("1d"),
    _median("30m"),
    _median("1d"),
)

DELIVERY_RATE_LOW: Final = Alert(
    name="SmsbatDeliveryRateLow",
    expr=promql("""
        (
            job_account_channel:smsbat_messages_matured_delivered:ratio_increase30m < 0.6
          or
            job_account_channel:smsbat_messages_matured_delivered:ratio_increase30m
            < 0.8 * job_account_channel:smsbat_messages_matured_delivered:ratio_increase1d
        )
        and
          job_account_channel:smsbat_messages_matured:increase30m >= 50
    """),
    hold="10m",
    severity=Severity.CRITICAL,
    labels=_LABELS,
    summary=f"Only {{{{ $value | humanizePercentage }}}} delivered: {_WHO}",
    description=(
        "Of the messages that matured in the last 30 minutes (50 or more), {{ $value | humanizePercentage }} were"
        " delivered: less than 60 %, or a fifth less than over the last day."
    ),
    dashboard="smsbat-delivery",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; without messages there is nothing to page for",
)
NO_DELIVERY: Final = Alert(
    name="SmsbatNoDelivery",
    expr=promql("""
        sum by (job, account, channel) (increase(smsbat_messages_matured_total{result=~"failed|pending"}[15m])) >= 10
        unless
          sum by (job, account, channel) (increase(smsbat_messages_finished_total{outcome="delivered"}[15m])) > 0
    """),
    hold="5m",
    severity=Severity.CRITICAL,
    labels=_LABELS,
    summary=f"Nothing is delivered: {_WHO}",
    description=(
        "{{ $value | humanize }} messages matured in the last 15 minutes, SMSBat says that they failed or are in"
        " flight, and not one was delivered."
    ),
    dashboard="smsbat-delivery",
    exec_error=ExecError.ERROR,
    why="a page whose query fails must not be silent; without messages there is nothing to page for",
)
DELIVERY_SLOW: Final = Alert(
    name="SmsbatDeliverySlow",
    expr=promql("""
        (
            job_account_channel:smsbat_time_to_delivery_lower_bound_seconds:median_rate30m > 300
          or
            job_account_channel:smsbat_time_to_delivery_lower_bound_seconds:median_rate30m
            > 4 * job_account_channel:smsbat_time_to_delivery_lower_bound_seconds:median_rate1d
          and
            job_account_channel:smsbat_time_to_delivery_lower_bound_seconds:median_rate30m > 15
        )
        and
          sum by (job, account, channel) (increase(smsbat_time_to_delivery_lower_bound_seconds_count[30m])) >= 50
    """),
    hold="10m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary=f"Half of what is delivered takes over {{{{ $value | humanizeDuration }}}}: {_WHO}",
    description=(
        "The median time to delivery over 30 minutes (50 messages or more) is {{ $value | humanizeDuration }} at the"
        " least: over 5 minutes, or over 15 seconds and four times that of the last day."
    ),
    dashboard="smsbat-delivery",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without deliveries there is nothing to warn of",
)
STUCK: Final = Alert(
    name="SmsbatStuckInFlight",
    expr=promql("""
        (
            sum by (job, account, channel) (smsbat_messages_in_flight_older_than{age="1h"})
          -
            sum by (job, account, channel) (smsbat_messages_in_flight_older_than{age="6h"})
        )
        /
          sum by (job, account, channel) (increase(smsbat_messages_matured_total[5h] offset 1h))
        > 0.3
        and
          sum by (job, account, channel) (increase(smsbat_messages_matured_total[5h] offset 1h)) >= 50
        unless on (job, account)
          min by (job, account) (smsbat_exporter_api_up) == 0
    """),
    hold="15m",
    severity=Severity.WARNING,
    labels=_LABELS,
    summary=f"{{{{ $value | humanizePercentage }}}} of what was sent hours ago is still in flight: {_WHO}",
    description=(
        "{{ $value | humanizePercentage }} of the messages that were sent between one and six hours ago (50 or more)"
        " have not ended, though SMSBat answers."
    ),
    dashboard="smsbat-overview",
    exec_error=ExecError.OK,
    why="a warning can wait until Prometheus answers; without messages there is nothing to warn of",
)

GROUP: Final = Group("smsbat-delivery", RECORDS, (DELIVERY_RATE_LOW, NO_DELIVERY, DELIVERY_SLOW, STUCK))

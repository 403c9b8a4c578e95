"""Delivery: where messages do not arrive, how long they take, and what becomes of them."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Panel, VariableModel, VariableOption

from exporter import catalogue as metrics
from grafana.source import measures
from grafana.source.measures import A_MINUTE, OUTCOMES, RESULTS, UIDS
from grafana.source.page import Page, Section, chosen
from grafana.source.panels import MINUTE, Says, band, heat, lines
from grafana.source.queries import (
    PROCESS,
    RANGE,
    STEP,
    Query,
    a_minute,
    increase,
    of,
    quantile,
    rate,
    seen,
    share,
    total,
)
from grafana.source.tables import Column, rows

_PAIR = ("account", "channel")


def page() -> Page:
    """Return the dashboard."""
    where = [
        (9, [(8, _rate_by("channel")), (8, _rate_by("account")), (8, _rate_by_label())]),
        (8, [(24, _everywhere())]),
    ]
    times = [(10, [(12, _heatmap()), (12, _bands())]), (8, [(12, _slowest()), (12, _failures())])]
    ends = [(9, [(8, _outcomes()), (8, _matured()), (8, _seen())]), (8, [(24, _stuck())])]
    return Page(
        UIDS["delivery"],
        "Delivery",
        "Which channel, account or label delivers badly or slowly, and what becomes of the messages.",
        [
            Section("Where do messages arrive?", where),
            Section("How long does it take?", times),
            Section("What becomes of them?", ends),
        ],
        [_label()],
    )


def _label() -> VariableModel:
    about = "A label of the configuration to break the delivery rate down by, such as campaign."
    built = chosen("label", "Label", about, f"label_names({metrics.MATURED.name}{{{PROCESS}}})")
    return built.regex("/^(?!(?:__name__|account|channel|instance|job|result)$).*$/").current(_none()).build()


def _none() -> VariableOption:
    return VariableOption(text="", value="")


def _rate_by(label: str) -> Panel:
    says = Says(
        f"Delivery rate by {label}",
        f"Share delivered of the messages that matured, by {label}: pending ones count as not delivered.",
        "percentunit",
        empty="Nothing matured",
    )
    return lines(says, Query(measures.delivery_rate((label,)), f"{{{{{label}}}}}"), step=MINUTE)


def _rate_by_label() -> Panel:
    says = Says(
        "Delivery rate by $label",
        "Share delivered of the messages that matured, by the label chosen above. Without labels in the exporter's "
        "configuration, this is one line for all.",
        "percentunit",
        empty="Nothing matured",
    )
    return lines(says, Query(measures.delivery_rate(("$label",)), "{{$label}}"), step=MINUTE)


def _everywhere() -> Panel:
    says = Says(
        "Accounts and channels",
        "Messages that matured within the time that the dashboard shows, what they were then, and how long 95 % of the "
        "delivered ones took at most.",
        "short",
    )
    matured = {result: increase(metrics.MATURED, f'result="{result}"', by=_PAIR) for result in ("failed", "pending")}
    everything = increase(metrics.MATURED, by=_PAIR)
    known = increase(metrics.MATURED, 'result!="unknown"', by=_PAIR)
    columns = [
        Column(seen(everything), "Matured", "short"),
        Column(measures.delivery_rate(_PAIR, over=RANGE), "Delivered", "percentunit", 1),
        Column(share(matured["failed"], known), "Failed", "percentunit", 1),
        Column(share(matured["pending"], known), "Pending", "percentunit", 1),
        Column(quantile(0.95, metrics.DELIVERY_TIME, by=_PAIR, over=RANGE), "95 % within", "s", 1),
    ]
    return rows(says, {"account": "Account", "channel": "Channel"}, columns, "Matured")


def _heatmap() -> Panel:
    says = Says(
        "Time to delivery",
        "How many messages arrived after how long, at the latest. Dots are single messages: click one for its trace.",
        "s",
        empty="Nothing delivered",
    )
    buckets = total(f"increase({of(metrics.DELIVERY_TIME, suffix='_bucket')}[{STEP}])", ("le",))
    return heat(says, Query(buckets, "{{le}}", exemplars=True), "short")


def _bands() -> Panel:
    says = Says(
        "Half and 95 % delivered within",
        "The truth lies in the band between the earliest and the latest that polls and webhooks allow. A wide band "
        "means that messages were asked about too seldom. Within a bucket, the lines are interpolated.",
        "s",
        empty="Nothing delivered",
    )
    pairs = [
        (measures.earliest(0.5), measures.latest(0.5), "green"),
        (measures.earliest(0.95), measures.latest(0.95, exemplars=True), "orange"),
    ]
    return band(says, pairs)


def _slowest() -> Panel:
    says = Says(
        "95 % delivered within, by channel",
        "95th percentile of the time to delivery of each channel, the latest that it can have been.",
        "s",
        empty="Nothing delivered",
    )
    slow = Query(quantile(0.95, metrics.DELIVERY_TIME, by=("channel",)), "{{channel}}", exemplars=True)
    return lines(says, slow, step=MINUTE)


def _failures() -> Panel:
    says = Says(
        "Time to failure",
        "How long SMSBat took to say undeliverable or permanenterror: until then nobody can send it another way.",
        "s",
        empty="Nothing failed",
    )
    return lines(
        says,
        Query(quantile(0.5, metrics.FAILURE_TIME), "half within"),
        Query(quantile(0.95, metrics.FAILURE_TIME), "95 % within"),
        step=MINUTE,
    )


def _outcomes() -> Panel:
    says = Says(
        "Ended messages, by outcome",
        "How messages ended; abandoned ones were stopped by a caller or the configuration, which is no outcome.",
        A_MINUTE,
    )
    ended = Query(a_minute(rate(metrics.FINISHED, by=("outcome",))), "{{outcome}}")
    stopped = Query(a_minute(rate(metrics.ABANDONED)), "abandoned")
    return lines(says, ended, stopped, stacked=True, colours=OUTCOMES, step=MINUTE)


def _matured() -> Panel:
    says = Says(
        "Matured messages, by result",
        "What messages were when they reached their `mature` age: unknown means that nobody could be asked in time.",
        A_MINUTE,
    )
    matured = Query(a_minute(rate(metrics.MATURED, by=("result",))), "{{result}}")
    return lines(says, matured, stacked=True, colours=RESULTS, step=MINUTE)


def _seen() -> Panel:
    says = Says(
        "Messages seen in a status",
        "How many messages were first seen in each status. Scheduled without processing soon after: SMSBat holds them.",
        A_MINUTE,
    )
    return lines(says, Query(a_minute(rate(metrics.STATUS, by=("status",))), "{{status}}"), step=MINUTE)


def _stuck() -> Panel:
    says = Says(
        "Waiting for over 5 minutes, by channel",
        "Messages that were sent over 5 minutes ago and have not ended.",
        "short",
        0,
    )
    return lines(says, Query(total(of(metrics.OLDER_THAN, 'age="5m"'), ("channel",)), "{{channel}}"), stacked=True)

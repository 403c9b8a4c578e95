"""Overview: whether delivery is fine right now, and what it costs."""

from __future__ import annotations

from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import Panel

from exporter import catalogue as metrics
from grafana.source import measures
from grafana.source.measures import A_MINUTE, UIDS
from grafana.source.page import Page, Section
from grafana.source.panels import MINUTE, Named, Says, alerts, band, bars, leading_to, lines, stat_panel
from grafana.source.queries import RANGE, RECENT, Query, a_minute, increase, of, quantile, rate, total

_TODAY = "now/d"


def page() -> Page:
    """Return the dashboard."""
    now = (5, [(4, _rate_now()), (4, _last_week()), (4, _p95()), (4, _waiting()), (3, _api()), (5, _alerts())])
    delivery = (9, [(12, _rate()), (12, _volume())])
    times = (9, [(12, _times()), (6, _statuses()), (6, _ages())])
    money = (6, [(6, _cost()), (6, _cost_per_delivered()), (12, _objectives())])
    return Page(
        UIDS["overview"],
        "Overview",
        "Whether messages arrive now, how fast, and what they cost. The first row answers in one look.",
        [Section("", [now, delivery, times, money])],
    )


def _rate_now() -> Panel:
    says = Says(
        "Delivered, of the last 15 minutes",
        "Share delivered of the messages that reached their `mature` age within 15 minutes. It counts what is still "
        "pending then, so it falls when messages stall, not only when they fail.",
        "percentunit",
        1,
        "Nothing matured",
    )
    query = Query(measures.delivery_rate(over=RECENT))
    panel = stat_panel(says, query, steps=measures.GOOD_WHEN_HIGH)
    return leading_to(panel, UIDS["delivery"], "Which channel or account?")


def _last_week() -> Panel:
    says = Says(
        "Against a week ago",
        "The delivery rate of the last 15 minutes less that of the same 15 minutes a week ago. A drop of 3 points is "
        "orange, of 10 red.",
        "percentunit",
        1,
        "No week ago",
    )
    before = measures.delivery_rate(over=RECENT, ago="1w")
    query = Query(f"({measures.delivery_rate(over=RECENT)}) - ({before})")
    return stat_panel(says, query, steps=((None, "red"), (-0.1, "orange"), (-0.03, "green")))


def _p95() -> Panel:
    says = Says(
        "95 % delivered within, at most",
        "95th percentile of the time from sending to delivery over 15 minutes, the latest that it can have been. What "
        "is slow differs by channel, so it has no colour.",
        "s",
        empty="Nothing delivered",
    )
    query = Query(quantile(0.95, metrics.DELIVERY_TIME, over=RECENT))
    return leading_to(stat_panel(says, query), UIDS["delivery"], "How long which channel takes")


def _waiting() -> Panel:
    says = Says(
        "Waiting for over 5 minutes",
        "Messages that were sent over 5 minutes ago and have not ended. No histogram shows them yet: a route that "
        "stalls shows here first.",
        "short",
        0,
    )
    return stat_panel(says, Query(total(of(metrics.OLDER_THAN, 'age="5m"'))))


def _api() -> Panel:
    says = Says(
        "SMSBat's API",
        "Down when an account had no understood answer for a minute though it asked. Then nothing else here is news.",
        "none",
        empty="No exporter",
    )
    query = Query(f"min({of(metrics.API_UP)})")
    named = Named({"1": ("Up", "green"), "0": ("Down", "red")})
    return leading_to(stat_panel(says, query, named=named), UIDS["exporter"], "What is wrong with it")


def _alerts() -> Panel:
    about = (
        "Alerts that fire or are about to, with `smsbat` in their name; of Grafana and of the data sources it reads."
    )
    return alerts(Says("Firing alerts", about, "none"), "smsbat")


def _rate() -> Panel:
    says = Says(
        "Delivery rate, now and a week ago",
        "Share delivered of the messages that matured: delivered / (delivered + failed + pending).",
        "percentunit",
        empty="Nothing matured",
    )
    now = Query(measures.delivery_rate(), "now")
    before = Query(measures.delivery_rate(ago="1w"), "a week ago")
    return lines(says, now, before, step=MINUTE, colours={"now": "green", "a week ago": "#808080"})


def _volume() -> Panel:
    says = Says(
        "Messages",
        "Taken into tracking, and ended as delivered or as anything else. What comes in and does not end is in flight.",
        A_MINUTE,
    )
    return lines(
        says,
        Query(a_minute(rate(metrics.ACCEPTED)), "accepted"),
        Query(a_minute(rate(metrics.FINISHED, 'outcome="delivered"')), "delivered"),
        Query(a_minute(rate(metrics.FINISHED, 'outcome!="delivered"')), "ended otherwise"),
        step=MINUTE,
        colours={"accepted": "blue", "delivered": "green", "ended otherwise": "red"},
    )


def _times() -> Panel:
    says = Says(
        "Time to delivery",
        "Half, 95 % and 99 % of the messages arrived within. A poll shows only that a message arrived since the last "
        "one: the truth lies in the band between earliest and latest. Dots are single messages with a trace.",
        "s",
        empty="Nothing delivered",
    )
    pairs = [
        (measures.earliest(0.5), measures.latest(0.5), "green"),
        (measures.earliest(0.95), measures.latest(0.95), "orange"),
        (measures.earliest(0.99), measures.latest(0.99, exemplars=True), "red"),
    ]
    return leading_to(band(says, pairs), UIDS["delivery"], "The whole distribution")


def _statuses() -> Panel:
    says = Says("In flight, by status", "Messages that are tracked now, by what SMSBat said of them last.", "short", 0)
    return lines(says, Query(measures.in_flight(("status",)), "{{status}}"), stacked=True)


def _ages() -> Panel:
    says = Says(
        "In flight, by age",
        "Messages that are tracked now and were sent longer ago than this; each line includes the older ones.",
        "short",
        0,
    )
    return lines(says, Query(total(of(metrics.OLDER_THAN), ("age",)), "over {{age}}"))


def _cost() -> Panel:
    says = Says("Cost today", "Cost of the messages that ended since midnight, by currency.", measures.PLAIN_MONEY, 2)
    query = Query(increase(metrics.COST, by=("currency",)), "{{currency}}")
    panel = stat_panel(says, query, text=BigValueTextMode.VALUE_AND_NAME, since=_TODAY)
    return leading_to(panel, UIDS["money"], "What for")


def _cost_per_delivered() -> Panel:
    says = Says(
        "Cost of a delivered message today",
        "Cost of all messages that ended since midnight, for each of them that was delivered; by account.",
        measures.PLAIN_MONEY,
        4,
        "Nothing delivered",
    )
    query = Query(measures.cost_per_delivered(("account",)), "{{account}}, {{currency}}")
    return stat_panel(says, query, text=BigValueTextMode.VALUE_AND_NAME, since=_TODAY)


def _objectives() -> Panel:
    says = Says(
        "Objectives: budget left",
        "How much of the misses that the target allows is left, over the time that the dashboard shows. Below 0 the "
        "objective was missed.",
        "percentunit",
        0,
        "No objective, or nothing judged",
    )
    panel = bars(says, Query(measures.budget_left(RANGE), "{{objective}}"), steps=measures.BUDGET_LEFT)
    return leading_to(panel, UIDS["objectives"], "How fast it goes")

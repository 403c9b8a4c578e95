"""Fallback and cost: how often another channel has to help, whether it does, and what all of it costs."""

from __future__ import annotations

from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import Panel

from exporter import catalogue as metrics
from grafana.source import measures
from grafana.source.measures import A_MINUTE, PLAIN_MONEY, UIDS
from grafana.source.page import Page, Section
from grafana.source.panels import MINUTE, Says, bars, lines, stat_panel
from grafana.source.queries import Query, a_minute, an_hour, each, increase, rate, seen, share
from grafana.source.tables import Column, rows

_USED = 'fallback="used"'
_MAY = 'fallback=~"used|unused"'
_PAIR = ("account", "channel")


def page() -> Page:
    """Return the dashboard."""
    now = (5, [(4, _used()), (4, _rescued()), (6, _spent()), (6, _wasted()), (4, _parts())])
    fallback = [(9, [(8, _used_by_channel()), (8, _ways()), (8, _through())]), (6, [(24, _rescued_by())])]
    cost = [
        (9, [(12, _cost_by("channel")), (12, _cost_by("outcome"))]),
        (10, [(12, _bill()), (6, _delivered_cost()), (6, _part_cost())]),
        (8, [(12, _amounts()), (12, _parts_by_channel())]),
    ]
    return Page(
        UIDS["money"],
        "Fallback and cost",
        "How often which fallback is used and rescues, and what messages cost. Amounts of different currencies are "
        "never added up.",
        [Section("", [now]), Section("Fallback", fallback), Section("Cost", cost)],
        since="now-24h",
    )


def _used() -> Panel:
    says = Says(
        "Fallback used",
        "Share of messages that went another way, of those ended that had a fallback, over the time shown.",
        "percentunit",
        1,
        "None had a fallback",
    )
    query = share(increase(metrics.FINISHED, _USED), increase(metrics.FINISHED, _MAY))
    return stat_panel(says, Query(query))


def _rescued() -> Panel:
    says = Says(
        "Rescued by it",
        "Share delivered of the messages whose fallback was used. Near 0, fallbacks only cost.",
        "percentunit",
        1,
        "No fallback was used",
    )
    delivered = increase(metrics.FINISHED, _USED, 'outcome="delivered"')
    query = share(delivered, increase(metrics.FINISHED, _USED))
    return stat_panel(says, Query(query), steps=measures.GOOD_WHEN_HIGH)


def _spent() -> Panel:
    says = Says("Cost", "Cost of the messages that ended within the time shown, by currency.", PLAIN_MONEY, 2)
    query = Query(increase(metrics.COST, by=("currency",)), "{{currency}}")
    return stat_panel(says, query, text=BigValueTextMode.VALUE_AND_NAME)


def _wasted() -> Panel:
    says = Says(
        "Of it, for messages not delivered",
        "Cost of the messages that ended otherwise than delivered, within the time shown, by currency.",
        PLAIN_MONEY,
        2,
    )
    query = Query(increase(metrics.COST, 'outcome!="delivered"', by=("currency",)), "{{currency}}")
    return stat_panel(says, query, text=BigValueTextMode.VALUE_AND_NAME)


def _parts() -> Panel:
    says = Says(
        "Parts of a message",
        "Parts of an ended message on average, over the time shown: what texts that are too long cost.",
        "short",
        2,
        "Nothing ended",
    )
    return stat_panel(says, Query(share(increase(metrics.PARTS), increase(metrics.FINISHED))))


def _used_by_channel() -> Panel:
    says = Says(
        "Fallback used, by channel",
        "Share of messages that went another way, of those ended that had a fallback. A rise is the first sign that a "
        "channel fails.",
        "percentunit",
        empty="None had a fallback",
    )
    by = ("channel",)
    query = share(rate(metrics.FINISHED, _USED, by=by), rate(metrics.FINISHED, _MAY, by=by))
    return lines(says, Query(query, "{{channel}}"), step=MINUTE)


def _ways() -> Panel:
    says = Says(
        "Fallbacks, by what became of them",
        "Fallbacks of ended messages, by kind and status; not_used are left out.",
        A_MINUTE,
        empty="No fallback",
    )
    query = seen(a_minute(rate(metrics.FALLBACKS, 'status!="not_used"', by=("kind", "status"))))
    return lines(says, Query(query, "{{kind}} {{status}}"), stacked=True, step=MINUTE)


def _through() -> Panel:
    says = Says(
        "Delivered through",
        "The channel that delivered, where SMSBat names the channels of a message.",
        A_MINUTE,
        empty="No message with several channels",
    )
    query = a_minute(rate(metrics.CHANNEL_STATUS, 'status="delivered"', by=("via",)))
    return lines(says, Query(query, "{{via}}"), stacked=True, step=MINUTE)


def _rescued_by() -> Panel:
    says = Says(
        "Rescued, by kind of fallback",
        "Share delivered of the fallbacks that were used, over the time shown, by the message's channel and the kind.",
        "percentunit",
        1,
        "No fallback was used",
    )
    by = ("channel", "kind")
    used = increase(metrics.FALLBACKS, 'status!="not_used"', by=by)
    query = share(increase(metrics.FALLBACKS, 'status="delivered"', by=by), used)
    return bars(says, Query(query, "{{channel}}, then {{kind}}"), steps=measures.GOOD_WHEN_HIGH)


def _cost_by(label: str) -> Panel:
    says = Says(
        f"Cost an hour, by {label}",
        f"What ended messages cost at this pace, by {label} and currency; lines, because currencies do not add up.",
        PLAIN_MONEY,
        2,
        "Nothing cost anything",
    )
    query = seen(an_hour(rate(metrics.COST, by=(label, "currency"))))
    return lines(says, Query(query, f"{{{{{label}}}}}, {{{{currency}}}}"), step=MINUTE)


def _bill() -> Panel:
    says = Says(
        "Cost by channel, outcome and currency",
        "Cost of the messages that ended within the time shown.",
        PLAIN_MONEY,
    )
    query = seen(increase(metrics.COST, by=("channel", "outcome", "currency")))
    labels = {"channel": "Channel", "outcome": "Outcome", "currency": "Currency"}
    return rows(says, labels, [Column(query, "Cost", PLAIN_MONEY, 2)], "Cost")


def _delivered_cost() -> Panel:
    says = Says(
        "Cost of a delivered message",
        "Cost of all messages that ended within the time shown, for each of them that was delivered.",
        PLAIN_MONEY,
        empty="Nothing delivered",
    )
    cost = Column(measures.cost_per_delivered(_PAIR), "Cost", PLAIN_MONEY, 4)
    return rows(says, {"account": "Account", "channel": "Channel", "currency": "Currency"}, [cost], "Cost")


def _part_cost() -> Panel:
    says = Says(
        "Cost of a part",
        "Cost of the messages that ended within the time shown, for each of their parts.",
        PLAIN_MONEY,
        empty="Nothing ended",
    )
    spent = increase(metrics.COST, by=(*_PAIR, "currency"))
    query = each(spent, increase(metrics.PARTS, by=_PAIR), _PAIR)
    labels = {"account": "Account", "channel": "Channel", "currency": "Currency"}
    return rows(says, labels, [Column(query, "Cost", PLAIN_MONEY, 4)], "Cost")


def _amounts() -> Panel:
    says = Says(
        "Rate and bill an hour",
        "`rateAmount` and `billAmount` of ended messages at this pace, each in the currency that SMSBat gives: compare "
        "with its invoice.",
        PLAIN_MONEY,
        2,
    )
    return lines(
        says,
        Query(an_hour(rate(metrics.RATE_AMOUNT, by=("currency",))), "rate, {{currency}}"),
        Query(an_hour(rate(metrics.BILL_AMOUNT, by=("currency",))), "bill, {{currency}}"),
        step=MINUTE,
    )


def _parts_by_channel() -> Panel:
    says = Says(
        "Parts of a message, by channel",
        "Parts of an ended message on average. A step up means that a text grew over the limit of one part.",
        "short",
        2,
        "Nothing ended",
    )
    by = ("channel",)
    query = share(rate(metrics.PARTS, by=by), rate(metrics.FINISHED, by=by))
    return lines(says, Query(query, "{{channel}}"), step=MINUTE)

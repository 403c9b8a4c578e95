"""Tests of the alerts about delivery."""

from __future__ import annotations

from typing import Final

from exporter import catalogue as metrics
from prometheus.source.cases.values import INSTANCE, Case, Firing, Series, nothing_at_all, series, there

_WHO: Final = {"job": "smsbat", "account": "main", "channel": "viber_otp"}
_LOW: Final = Firing("SmsbatDeliveryRateLow", _WHO)
_NONE: Final = Firing("SmsbatNoDelivery", _WHO)
_SLOW: Final = Firing("SmsbatDeliverySlow", _WHO)
_STUCK: Final = Firing("SmsbatStuckInFlight", _WHO)
_API_DOWN: Final = Firing("SmsbatApiDown", {"job": "smsbat", "account": "main"})
_OTHER: Final = "10.0.0.2:10767"


def _matured(instance: str = INSTANCE, **results: str) -> Series:
    """Return the counters of matured messages, and that those delivered have ended so."""
    shown: dict[str, str] = {}
    for result, values in results.items():
        shown |= series(metrics.MATURED, values, result=result, instance=instance)
    if "delivered" in results:
        shown |= _delivered(results["delivered"], instance)
    return shown


def _delivered(values: str, instance: str = INSTANCE) -> Series:
    return series(metrics.FINISHED, values, outcome="delivered", fallback="none", instance=instance)


RATE_LOW: Final = (
    Case(
        "SmsbatDeliveryRateLow: fires when three of ten are delivered",
        _matured(delivered="0+3x60", failed="0+2x60", pending="0+5x60"),
        {14: (), 17: (_LOW,), 60: (_LOW,)},
    ),
    Case(
        "SmsbatDeliveryRateLow: fires on a fifth less than the day before",
        _matured(delivered="0+95x300 28500+70x60", failed="0+5x300 1500+30x60"),
        {300: (), 359: (_LOW,)},
    ),
    Case(
        "SmsbatDeliveryRateLow: does not fire when nine of ten are",
        _matured(delivered="0+9x60", failed="0+1x60"),
        {60: ()},
    ),
    nothing_at_all("SmsbatDeliveryRateLow"),
    Case(
        "SmsbatDeliveryRateLow: low traffic, one message a minute, delivered after it matured",
        {**_matured(pending="0+1x90", delivered="0x90"), **_delivered("0+1x90")},
        {60: (), 90: ()},
    ),
    Case(
        "SmsbatDeliveryRateLow: no traffic after trouble",
        _matured(delivered="0+3x60 180x120", pending="0+7x60 420x120"),
        {60: (_LOW,), 100: ()},
    ),
    Case(
        "SmsbatDeliveryRateLow: recovers",
        _matured(delivered="0+3x60 180+10x60", pending="0+7x60 420x60"),
        {60: (_LOW,), 90: ()},
    ),
    Case(
        "SmsbatDeliveryRateLow: two instances count together",
        {
            **_matured(delivered="0+1x60", pending="0+1x60"),
            **_matured(_OTHER, delivered="0x60", pending="0+1x60"),
            **there(60, instance=_OTHER),
        },
        {60: (_LOW,)},
    ),
    Case(
        "SmsbatDeliveryRateLow: a restart under another name brings old totals, not new messages",
        {
            **_matured(delivered="9000+9x30 stale", failed="90000+1x30 stale"),
            **_matured(_OTHER, delivered="_x31 9270+9x60", failed="_x31 90030+1x60"),
            **there(90, instance=_OTHER),
        },
        {32: (), 45: (), 60: (), 90: ()},
    ),
    Case(
        "SmsbatDeliveryRateLow: not when only the exporter does not know",
        _matured(delivered="0+1x60", unknown="0+9x60"),
        {60: ()},
    ),
)
NO_DELIVERY: Final = (
    Case(
        "SmsbatNoDelivery: fires when messages mature and none is delivered",
        _matured(delivered="0x40", pending="0+1x40"),
        {14: (), 16: (_NONE,), 40: (_NONE,)},
    ),
    Case("SmsbatNoDelivery: fires for a channel without a delivery ever", _matured(failed="0+1x40"), {40: (_NONE,)}),
    Case(
        "SmsbatNoDelivery: does not fire when messages arrive, if late",
        {**_matured(pending="0+1x40"), **_delivered("0+1x40")},
        {40: ()},
    ),
    Case(
        "SmsbatNoDelivery: does not fire when one message in ten minutes arrives",
        _matured(delivered="0x9 1x9 2x9 3x9", pending="0+1x40"),
        {29: (), 36: ()},
    ),
    Case(
        "SmsbatNoDelivery: fires twenty minutes after the last delivery",
        _matured(delivered="0+1x30 30x60", pending="0x30 0+1x60"),
        {40: (), 48: (), 55: (_NONE,)},
    ),
    nothing_at_all("SmsbatNoDelivery"),
    Case(
        "SmsbatNoDelivery: low traffic, nine messages",
        _matured(delivered="0x60", failed="0x10 0+1x9 9x40"),
        {20: (), 25: (), 60: ()},
    ),
    Case(
        "SmsbatNoDelivery: not when only the exporter does not know",
        _matured(delivered="0x60", unknown="0+10x60"),
        {60: ()},
    ),
    Case(
        "SmsbatNoDelivery: recovers",
        _matured(delivered="0x40 0+1x30", pending="0+1x40 40x30"),
        {40: (_NONE,), 45: ()},
    ),
    Case(
        "SmsbatNoDelivery: no traffic after trouble",
        _matured(delivered="0x100", pending="0+1x40 40x60"),
        {40: (_NONE,), 60: ()},
    ),
)


_EDGES: Final = (2.25, 9, 27, 54, 108, 270, 540)


def _times(total: str, *below: tuple[float, str], metric: metrics.Metric = metrics.DELIVERY_TIME_LOWER) -> Series:
    """Return a histogram: the values of its count, and those of buckets up to an edge; of the others, the count's."""
    shown = series(metric, total, suffix="_count", fallback="none")
    for le in _EDGES:
        values = next((values for edge, values in below if le <= edge), total)
        shown |= series(metric, values, suffix="_bucket", fallback="none", le=str(le))
    return {**shown, **series(metric, total, suffix="_bucket", fallback="none", le="+Inf")}


DELIVERY_SLOW: Final = (
    Case(
        "SmsbatDeliverySlow: fires when half takes over five minutes",
        _times("0+5x60", (270, "0x60")),
        {18: (), 22: (_SLOW,), 60: (_SLOW,)},
    ),
    Case(
        "SmsbatDeliverySlow: fires on four times the day before",
        _times("0+10x400", (2.25, "0x400"), (9, "0+10x300 3000x100"), (27, "0+10x300 3000+5x100")),
        {300: (), 360: (_SLOW,)},
    ),
    Case(
        "SmsbatDeliverySlow: does not fire on twice the day before",
        _times("0+10x400", (9, "0x400"), (27, "0+10x300 3000x100")),
        {360: ()},
    ),
    Case(
        "SmsbatDeliverySlow: does not fire on ten times as long, when that is still soon",
        _times("0+10x400", (2.25, "0+10x300 3000x100"), (9, "0+10x300 3000+4x100")),
        {360: ()},
    ),
    Case(
        "SmsbatDeliverySlow: does not fire when it takes three minutes, as always",
        _times("0+5x400", (108, "0x400")),
        {360: ()},
    ),
    Case("SmsbatDeliverySlow: does not fire when it takes seconds", _times("0+5x60"), {60: ()}),
    Case(
        "SmsbatDeliverySlow: does not fire on the upper bound, which our own downtime raises",
        {
            **_times("0+5x60"),
            **_times("0+5x60", (270, "0x60"), metric=metrics.DELIVERY_TIME),
        },
        {60: ()},
    ),
    nothing_at_all("SmsbatDeliverySlow"),
    Case("SmsbatDeliverySlow: low traffic", _times("0+1x60", (270, "0x60")), {60: ()}),
    Case("SmsbatDeliverySlow: no traffic", _times("0x60"), {60: ()}),
    Case(
        "SmsbatDeliverySlow: recovers",
        _times("0+5x120", (270, "0x60 0+5x60")),
        {60: (_SLOW,), 90: ()},
    ),
)


def _in_flight(over_an_hour: str, *, pending: str = "0+4x600", delivered: str = "0+7x600", up: str = "1x600") -> Series:
    """Return messages that age in flight, beside those that are delivered."""
    return {
        **_matured(pending=pending, delivered=delivered),
        **series(metrics.OLDER_THAN, over_an_hour, age="1h"),
        **series(metrics.OLDER_THAN, "0x600", age="6h"),
        **series(metrics.API_UP, up),
    }


STUCK: Final = (
    Case(
        "SmsbatStuckInFlight: fires when a third of what was sent hours ago is in flight",
        _in_flight("0x60 0+4x300"),
        {60: (), 79: (), 84: (_STUCK,), 300: (_STUCK,)},
    ),
    Case("SmsbatStuckInFlight: does not fire when a few are", _in_flight("0x60 0+2x300"), {100: (), 300: ()}),
    Case(
        "SmsbatStuckInFlight: what is older than six hours has had its alert, and ends with its timeout",
        {**_in_flight("500x300"), **series(metrics.OLDER_THAN, "500x300", age="6h")},
        {300: ()},
    ),
    nothing_at_all("SmsbatStuckInFlight"),
    Case(
        "SmsbatStuckInFlight: low traffic",
        _in_flight("0x65 22x300", pending="0+1x22 22x400", delivered="0+1x22 22x400"),
        {100: (), 300: ()},
    ),
    Case(
        "SmsbatStuckInFlight: scheduled messages that nothing matured beside",
        _in_flight("0x60 90x200", pending="0x300", delivered="0x300"),
        {200: ()},
    ),
    Case(
        "SmsbatStuckInFlight: not while nobody can be asked",
        _in_flight("0x60 0+4x300", up="0x600"),
        {300: (_API_DOWN,)},
    ),
    Case("SmsbatStuckInFlight: recovers", _in_flight("0x60 0+4x100 0x200"), {150: (_STUCK,), 170: ()}),
)

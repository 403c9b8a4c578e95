"""Tests of the alerts about fallbacks and money."""

from __future__ import annotations

from typing import Final

from exporter import catalogue as metrics
from prometheus.source.cases.values import Case, Firing, Series, nothing_at_all, series

_FALLBACK: Final = Firing("SmsbatFallbackShareHigh", {"job": "smsbat", "account": "main", "channel": "viber_otp"})
_COST: Final = Firing("SmsbatCostSpike", {"job": "smsbat", "account": "main", "currency": "USD"})


def _ended(**fallback: str) -> Series:
    shown: dict[str, str] = {}
    for use, values in fallback.items():
        shown |= series(metrics.FINISHED, values, outcome="delivered", fallback=use)
    return shown


FALLBACK_SHARE: Final = (
    Case(
        "SmsbatFallbackShareHigh: fires when most use it",
        _ended(used="0+6x60", unused="0+4x60"),
        {14: (), 20: (_FALLBACK,), 60: (_FALLBACK,)},
    ),
    Case(
        "SmsbatFallbackShareHigh: fires on twice the day before",
        _ended(used="0+1x300 300+3x100", unused="0+9x300 2700+7x100"),
        {300: (), 360: (_FALLBACK,)},
    ),
    Case(
        "SmsbatFallbackShareHigh: does not fire when a third does, as always",
        _ended(used="0+3x60", unused="0+6x60"),
        {60: ()},
    ),
    Case(
        "SmsbatFallbackShareHigh: not of messages without a fallback",
        _ended(none="0+9x60", unknown="0+9x60", used="0x60", unused="0x60"),
        {60: ()},
    ),
    Case(
        "SmsbatFallbackShareHigh: does not fire on thrice the day before, when that is little",
        _ended(used="0+1x300 300+3x100", unused="0+19x300 5700+17x100"),
        {360: ()},
    ),
    nothing_at_all("SmsbatFallbackShareHigh"),
    Case("SmsbatFallbackShareHigh: low traffic", _ended(used="0+1x60", unused="0x60"), {60: ()}),
    Case(
        "SmsbatFallbackShareHigh: recovers",
        _ended(used="0+6x60 360x60", unused="0+4x60 240+10x60"),
        {60: (_FALLBACK,), 90: ()},
    ),
)


_STEP: Final = 5
"""These take days."""


def _spent(values: str, ended: str = "0+5x400") -> Series:
    return {
        **series(metrics.COST, values, outcome="delivered", currency="USD"),
        **series(metrics.FINISHED, ended, outcome="delivered", fallback="none"),
    }


COST: Final = (
    Case(
        "SmsbatCostSpike: fires on thrice the dearest hour",
        _spent("0+5x320 1600+15x40"),
        {1600: (), 1665: (_COST,)},
        step=_STEP,
    ),
    Case(
        "SmsbatCostSpike: does not fire on a campaign like one of this week",
        _spent("0+5x120 600+15x12 780+5x180 1680+15x40"),
        {1680: (), 1740: ()},
        step=_STEP,
    ),
    Case(
        "SmsbatCostSpike: does not fire before there is a day to compare with",
        _spent("0+5x60 300+45x40"),
        {400: ()},
        step=_STEP,
    ),
    Case(
        "SmsbatCostSpike: does not fire when nothing was spent before",
        _spent("0x320 0+15x40"),
        {1600: (), 1665: ()},
        step=_STEP,
    ),
    nothing_at_all("SmsbatCostSpike", step=_STEP),
    Case(
        "SmsbatCostSpike: low traffic",
        _spent("0+5x320 1600+15x40", ended="0x320 0+5x6 30x40"),
        {1665: ()},
        step=_STEP,
    ),
    Case(
        "SmsbatCostSpike: recovers",
        _spent("0+5x320 1600+15x12 1780+5x40"),
        {1665: (_COST,), 1740: ()},
        step=_STEP,
    ),
)

"""Tests of the alerts about objectives."""

from __future__ import annotations

from typing import Final

from exporter import catalogue as metrics
from prometheus.source.cases.values import INSTANCE, Case, Firing, Series, nothing_at_all, series, there

_WHO: Final = {"job": "smsbat", "account": "main", "objective": "otp-10s"}
_FAST: Final = Firing("SmsbatObjectiveBurnFast", _WHO)
_SLOW: Final = Firing("SmsbatObjectiveBurnSlow", _WHO)
_OTHER: Final = "10.0.0.2:10767"


def _objective(judged: str, missed: str, target: str = "0.95", instance: str = INSTANCE) -> Series:
    own = {"objective": "otp-10s", "instance": instance}
    return {
        **series(metrics.OBJECTIVE_JUDGED, judged, **own),
        **series(metrics.OBJECTIVE_MISSED, missed, **own),
        **series(metrics.OBJECTIVE_TARGET, f"{target}x2000", **own),
    }


FAST: Final = (
    Case(
        "SmsbatObjectiveBurnFast: fires when most are missed, before the slow one does",
        _objective("0+10x60", "0+8x60"),
        {6: (), 8: (_FAST,), 60: (_FAST, _SLOW)},
    ),
    Case(
        "SmsbatObjectiveBurnFast: a strict target burns sooner",
        _objective("0+100x60", "0+2x60", "0.999"),
        {12: (_FAST,)},
    ),
    Case(
        "SmsbatObjectiveBurnFast: a modest target can burn too", _objective("0+10x60", "0+8x60", "0.5"), {12: (_FAST,)}
    ),
    Case("SmsbatObjectiveBurnFast: does not fire on what may be missed", _objective("0+20x60", "0+1x60"), {60: ()}),
    Case(
        "SmsbatObjectiveBurnFast: does not fire on a burst, when the hour as a whole is well",
        _objective("0+100x100", "0x60 0+100x20 2000x20"),
        {80: ()},
    ),
    nothing_at_all("SmsbatObjectiveBurnFast"),
    Case(
        "SmsbatObjectiveBurnFast: low traffic, all missed", _objective("0+2x20 40x60", "0+2x20 40x60"), {20: (), 60: ()}
    ),
    Case("SmsbatObjectiveBurnFast: no traffic", _objective("0x60", "0x60"), {60: ()}),
    Case(
        "SmsbatObjectiveBurnFast: recovers at once, the slow one later",
        _objective("0+10x400", "0+8x30 240x370"),
        {30: (_FAST, _SLOW), 40: (_SLOW,), 400: ()},
    ),
    Case(
        "SmsbatObjectiveBurnFast: two instances have one target",
        {
            **_objective("0+10x60", "0+8x60"),
            **_objective("0+10x60", "0+8x60", instance=_OTHER),
            **there(60, instance=_OTHER),
        },
        {12: (_FAST,)},
    ),
)
SLOW: Final = (
    Case(
        "SmsbatObjectiveBurnSlow: fires when three times too many are missed",
        _objective("0+4x120", "0+1x120"),
        {12: (), 40: (_SLOW,), 120: (_SLOW,)},
    ),
    Case("SmsbatObjectiveBurnSlow: does not fire on twice", _objective("0+10x120", "0+1x120"), {120: ()}),
    Case(
        "SmsbatObjectiveBurnSlow: does not fire on an hour, when the day as a whole is well",
        _objective("0+20x400", "0x300 0+9x60 540x40"),
        {360: ()},
    ),
    nothing_at_all("SmsbatObjectiveBurnSlow"),
    Case(
        "SmsbatObjectiveBurnSlow: low traffic, all missed",
        _objective("0+1x40 40x200", "0+1x40 40x200"),
        {60: (), 200: ()},
    ),
    Case("SmsbatObjectiveBurnSlow: recovers", _objective("0+4x400", "0+1x120 120x280"), {120: (_SLOW,), 250: ()}),
)

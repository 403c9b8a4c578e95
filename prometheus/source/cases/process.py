"""Tests of the alerts about the exporter itself."""

from __future__ import annotations

from typing import Final

from exporter import catalogue as metrics
from prometheus.source.cases.values import INSTANCE, Case, Firing, Series, nothing_at_all, series, there, written

_WHO: Final = {"job": "smsbat", "instance": INSTANCE}
_STORE: Final = Firing("SmsbatStoreFailing", _WHO)
_LABEL: Final = Firing("SmsbatLabelSetsOverflowing", {"job": "smsbat", "label": "campaign"})
_RELOAD: Final = Firing("SmsbatReloadFailed", _WHO)
_DOWN: Final = Firing("SmsbatExporterDown", _WHO)
_ABSENT: Final = Firing("SmsbatExporterAbsent", {})
_OTHER: Final = "10.0.0.2:10767"


def _store(up: str, errors: str) -> Series:
    return {**series(metrics.STORE_UP, up), **series(metrics.STORE_ERRORS, errors)}


STORE: Final = (
    Case(
        "SmsbatStoreFailing: fires when commits fail",
        _store("1x10 0x50", "0x60"),
        {11: (), 13: (_STORE,), 60: (_STORE,)},
    ),
    Case(
        "SmsbatStoreFailing: fires when they fail now and then",
        _store("1x60", "0+1x60"),
        {10: (_STORE,), 60: (_STORE,)},
    ),
    Case("SmsbatStoreFailing: does not fire on one error", _store("1x60", "0x30 1x30"), {31: (), 34: (), 60: ()}),
    Case(
        "SmsbatStoreFailing: the other instance is well",
        {
            **_store("0x60", "0x60"),
            **series(metrics.STORE_UP, "1x60", instance=_OTHER),
            **there(60, instance=_OTHER),
        },
        {60: (_STORE,)},
    ),
    nothing_at_all("SmsbatStoreFailing"),
    Case("SmsbatStoreFailing: low traffic, nothing to store", _store("1x60", "0x60"), {60: ()}),
    Case("SmsbatStoreFailing: recovers", _store("0x30 1x60", "0+1x30 30x60"), {30: (_STORE,), 37: ()}),
)


def _overflow(values: str) -> Series:
    return series(metrics.LABEL_OVERFLOW, values, label="campaign")


LABELS: Final = (
    Case("SmsbatLabelSetsOverflowing: fires on the first overflow", _overflow("0x10 1x60"), {10: (), 28: (_LABEL,)}),
    Case("SmsbatLabelSetsOverflowing: does not fire on values that fit", _overflow("0x60"), {60: ()}),
    Case("SmsbatLabelSetsOverflowing: nor on old ones", _overflow("500x60"), {60: ()}),
    nothing_at_all("SmsbatLabelSetsOverflowing"),
    Case(
        "SmsbatLabelSetsOverflowing: low traffic, one message an hour overflows",
        _overflow("0x60 1x60 2x60"),
        {60: (), 80: (_LABEL,), 120: ()},
    ),
    Case("SmsbatLabelSetsOverflowing: recovers", _overflow("0+1x60 60x60"), {60: (_LABEL,), 95: ()}),
)


def _reload(values: str) -> Series:
    return series(metrics.RELOAD_OK, values)


RELOAD: Final = (
    Case(
        "SmsbatReloadFailed: fires after five minutes",
        _reload("1x10 0x50"),
        {11: (), 15: (), 17: (_RELOAD,), 60: (_RELOAD,)},
    ),
    Case("SmsbatReloadFailed: does not fire on a typo that is mended", _reload("1x10 0x3 1x50"), {12: (), 20: ()}),
    nothing_at_all("SmsbatReloadFailed"),
    Case("SmsbatReloadFailed: low traffic, never reloaded", _reload("1x60"), {60: ()}),
    Case("SmsbatReloadFailed: recovers", _reload("0x60 1x60"), {60: (_RELOAD,), 61: ()}),
)
DOWN: Final = (
    Case(
        "SmsbatExporterDown: fires when it cannot be scraped",
        there(60, "1x10 0x50"),
        {10: (), 12: (), 15: (_DOWN,), 60: (_DOWN,)},
        target=False,
    ),
    Case("SmsbatExporterDown: does not fire on a restart", there(60, "1x10 0x2 1x50"), {12: (), 20: ()}, target=False),
    Case(
        "SmsbatExporterDown: one of two, whatever the job is called",
        {**there(60, "1x10 0x50", job="messages"), **there(60, job="messages", instance=_OTHER)},
        {60: (Firing("SmsbatExporterDown", {**_WHO, "job": "messages"}),)},
        target=False,
    ),
    Case(
        "SmsbatExporterDown: not for what is no exporter",
        {written("up", {"job": "node", "instance": "10.0.0.9:9100"}): "0x60"},
        {60: ()},
    ),
    nothing_at_all("SmsbatExporterDown"),
    Case("SmsbatExporterDown: low traffic", {}, {60: ()}),
    Case("SmsbatExporterDown: recovers", there(60, "1x10 0x20 1x30"), {31: (_DOWN,), 32: ()}, target=False),
)
ABSENT: Final = (
    Case(
        "SmsbatExporterAbsent: fires when there is no target", {}, {4: (), 5: (_ABSENT,), 60: (_ABSENT,)}, target=False
    ),
    Case("SmsbatExporterAbsent: fires when the target is gone", there(10), {10: (), 30: (_ABSENT,)}, target=False),
    Case("SmsbatExporterAbsent: does not fire when one is there", {}, {60: ()}),
    Case(
        "SmsbatExporterAbsent: a target that is down has an alert of its own",
        there(90, "1x10 0x80"),
        {90: (_DOWN,)},
        target=False,
    ),
    Case(
        "SmsbatExporterAbsent: fires when the target was never up",
        {written("up", _WHO): "0x60"},
        {60: (_ABSENT,)},
        target=False,
    ),
    nothing_at_all("SmsbatExporterAbsent"),
    Case("SmsbatExporterAbsent: low traffic", {}, {60: ()}),
    Case("SmsbatExporterAbsent: recovers", there(60, "_x30 1x30"), {29: (_ABSENT,), 31: ()}, target=False),
)

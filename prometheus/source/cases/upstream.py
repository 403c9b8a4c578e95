"""Tests of the alerts about SMSBat's API."""

from __future__ import annotations

from typing import Final

from exporter import catalogue as metrics
from prometheus.source.cases.values import Case, Firing, Series, nothing_at_all, series

_WHO: Final = {"job": "smsbat", "account": "main"}
_DOWN: Final = Firing("SmsbatApiDown", _WHO)
_UNAUTHORIZED: Final = Firing("SmsbatCredentialsRefused", {**_WHO, "reason": "unauthorized"})
_FORBIDDEN: Final = Firing("SmsbatCredentialsRefused", {**_WHO, "reason": "forbidden"})
_LIMITED: Final = Firing("SmsbatRateLimited", _WHO)
_DEMAND: Final = Firing("SmsbatDemandAboveBudget", _WHO)
_MISSED: Final = Firing("SmsbatWebhooksMissed", _WHO)


def _account(up: str = "1x200", **paused: str) -> Series:
    shown = series(metrics.API_UP, up)
    for reason in ("unauthorized", "forbidden", "rate_limited", "store"):
        shown |= series(metrics.PAUSED, paused.get(reason, "0x200"), reason=reason)
    return shown


API_DOWN: Final = (
    Case(
        "SmsbatApiDown: fires when nobody answers", _account("1x10 0x50"), {10: (), 15: (), 17: (_DOWN,), 60: (_DOWN,)}
    ),
    Case(
        "SmsbatApiDown: tells of the one account that is not answered",
        {**_account("0x60"), **series(metrics.API_UP, "1x60", account="second")},
        {60: (_DOWN,)},
    ),
    Case("SmsbatApiDown: does not fire on three minutes", _account("1x10 0x3 1x50"), {12: (), 20: ()}),
    Case(
        "SmsbatApiDown: refused credentials have an alert of their own",
        _account("0x60", unauthorized="1x60"),
        {60: (_UNAUTHORIZED,)},
    ),
    nothing_at_all("SmsbatApiDown"),
    Case(
        "SmsbatApiDown: low traffic, nothing is asked",
        {**_account("1x60"), **series(metrics.POLLS, "0x60", result="changed")},
        {60: ()},
    ),
    Case("SmsbatApiDown: recovers", _account("0x60 1x60"), {60: (_DOWN,), 61: ()}),
)
CREDENTIALS: Final = (
    Case(
        "SmsbatCredentialsRefused: fires on 401",
        _account("1x1 0x60", unauthorized="1x60"),
        {1: (), 3: (_UNAUTHORIZED,), 60: (_UNAUTHORIZED,)},
    ),
    Case("SmsbatCredentialsRefused: fires on 403", _account("1x60", forbidden="1x60"), {60: (_FORBIDDEN,)}),
    Case(
        "SmsbatCredentialsRefused: does not fire on one refused call",
        _account("1x60", unauthorized="0x10 1x1 0x49"),
        {11: (), 12: (), 60: ()},
    ),
    Case("SmsbatCredentialsRefused: other pauses are other alerts", _account("1x60", store="1x60"), {60: ()}),
    nothing_at_all("SmsbatCredentialsRefused"),
    Case("SmsbatCredentialsRefused: low traffic, nothing is asked", _account("1x60"), {60: ()}),
    Case(
        "SmsbatCredentialsRefused: recovers", _account("1x60", unauthorized="1x30 0x30"), {30: (_UNAUTHORIZED,), 31: ()}
    ),
)


def _polls(limited: str, unchanged: str) -> Series:
    return {
        **series(metrics.POLLS, limited, result="rate_limited"),
        **series(metrics.POLLS, unchanged, result="unchanged"),
    }


RATE_LIMITED: Final = (
    Case(
        "SmsbatRateLimited: fires when a tenth of the calls meet 429",
        _polls("0+2x60", "0+18x60"),
        {10: (), 30: (_LIMITED,), 60: (_LIMITED,)},
    ),
    Case(
        "SmsbatRateLimited: fires when 429 asks for long pauses, so that there are few calls",
        _account("1x60", rate_limited="0x5 1x55"),
        {10: (), 40: (_LIMITED,)},
    ),
    Case(
        "SmsbatRateLimited: does not fire on one in a hundred",
        {**_polls("0+1x60", "0+99x60"), **_account("1x60", rate_limited="0 1 0 0 0x56")},
        {60: ()},
    ),
    Case(
        "SmsbatRateLimited: does not fire on three in a hundred, nor on a third of the time",
        {
            **_polls("0+3x60", "0+97x60"),
            **_account("1x60", rate_limited="1 0 0 " * 12),
        },
        {30: ()},
    ),
    nothing_at_all("SmsbatRateLimited"),
    Case("SmsbatRateLimited: low traffic, five calls and all limited", _polls("0+1x5 5x60", "0x60"), {15: (), 60: ()}),
    Case("SmsbatRateLimited: no calls", _polls("0x60", "0x60"), {60: ()}),
    Case("SmsbatRateLimited: recovers", _polls("0+2x60 120x60", "0+18x120"), {60: (_LIMITED,), 80: ()}),
)


def _asked(demand: str, budget: str) -> Series:
    return {**series(metrics.DEMAND, demand), **series(metrics.BUDGET, budget)}


DEMAND: Final = (
    Case(
        "SmsbatDemandAboveBudget: fires after half an hour",
        _asked("30x90", "10x90"),
        {29: (), 31: (_DEMAND,), 90: (_DEMAND,)},
    ),
    Case("SmsbatDemandAboveBudget: does not fire below the budget", _asked("9x90", "10x90"), {90: ()}),
    Case(
        "SmsbatDemandAboveBudget: a campaign's first minutes are no trouble",
        _asked("90x20 5x70", "10x90"),
        {20: (), 90: ()},
    ),
    Case(
        "SmsbatDemandAboveBudget: no budget at all is another alert",
        {**_asked("30x90", "0x90"), **_account("0x90")},
        {90: (_DOWN,)},
    ),
    nothing_at_all("SmsbatDemandAboveBudget"),
    Case("SmsbatDemandAboveBudget: low traffic, nothing in flight", _asked("0x90", "10x90"), {90: ()}),
    Case("SmsbatDemandAboveBudget: recovers", _asked("30x60 1x30", "10x90"), {60: (_DEMAND,), 61: ()}),
)


def _webhooks(missed: str, applied: str, unchanged: str = "0x200") -> Series:
    return {
        **series(metrics.WEBHOOKS_MISSED, missed),
        **series(metrics.WEBHOOKS, applied, result="applied"),
        **series(metrics.WEBHOOKS, unchanged, result="unchanged"),
    }


WEBHOOKS: Final = (
    Case(
        "SmsbatWebhooksMissed: fires when none comes any more",
        _webhooks("0x30 0+5x60", "0+5x30 150x60"),
        {30: (), 70: (_MISSED,), 90: (_MISSED,)},
    ),
    Case(
        "SmsbatWebhooksMissed: does not fire when a third does not come",
        _webhooks("0+3x60", "0+4x60", "0+2x60"),
        {60: ()},
    ),
    nothing_at_all("SmsbatWebhooksMissed"),
    Case("SmsbatWebhooksMissed: low traffic", _webhooks("0+1x15 15x60", "0x60"), {25: (), 60: ()}),
    Case("SmsbatWebhooksMissed: no traffic, or no webhooks", _webhooks("0x60", "0x60"), {60: ()}),
    Case("SmsbatWebhooksMissed: recovers", _webhooks("0+5x60 300x60", "0x60 0+5x60"), {60: (_MISSED,), 90: ()}),
)

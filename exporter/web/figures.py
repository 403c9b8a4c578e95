"""Numbers as people read them: counts, shares, durations, times, money."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Final

from exporter.web.status import Money

THIN: Final = "\N{NARROW NO-BREAK SPACE}"
_DASH: Final = "\N{EN DASH}"
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_TENTH: Final = Decimal("0.1")
_UNITS: Final = ((_HOUR, _MINUTE, "min", 1, "s"), (_DAY, _HOUR, "h", _MINUTE, "min"), (math.inf, _DAY, "d", _HOUR, "h"))
"""Below which seconds a duration is told in which unit, and its rest in which."""


def count(number: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,}".replace(",", THIN)


def percent(ratio: float) -> str:
    """Return a share in percent; 0 and 100 mean none and all, never nearly so."""
    if 0 < ratio < 0.001:
        return f"<{THIN}0.1{THIN}%"
    if 0.999 < ratio < 1:
        return f">{THIN}99.9{THIN}%"
    return f"{ratio * 100:.1f}".removesuffix(".0") + f"{THIN}%"


def rate(per_second: float) -> str:
    """Return calls a second: two digits that matter below 10, whole ones from 100 on."""
    if per_second >= 100:
        return count(round(per_second))
    if per_second >= 10 or per_second == 0:
        return f"{per_second:.1f}".removesuffix(".0")
    return f"{Decimal(f'{per_second:.2g}').normalize():f}"


def duration(seconds: float, rounding: str = ROUND_HALF_UP) -> str:
    """Return a duration in at most two units, seconds with a tenth below a minute; `rounding` is one of decimal's."""
    exact = Decimal(f"{seconds:.3f}")
    tenths = exact.quantize(_TENTH, rounding)
    if tenths < _MINUTE:
        return f"{tenths:f}".removesuffix(".0") + f"{THIN}s"
    told = (
        (int(steps), size // step, unit, smaller)
        for below, size, unit, step, smaller in _UNITS
        if (steps := (exact / step).quantize(Decimal(1), rounding)) * step < below
    )
    found, in_one, unit, smaller = next(told)
    whole, rest = divmod(found, in_one)
    return f"{count(whole)}{THIN}{unit}" + (f" {rest}{THIN}{smaller}" if rest else "")


def interval(lower_seconds: float, upper_seconds: float) -> str:
    """Return both ends of a time, rounded apart, so that what is shown still encloses it."""
    if lower_seconds == upper_seconds:
        return duration(lower_seconds)
    return f"{duration(lower_seconds, ROUND_FLOOR)} {_DASH} {duration(upper_seconds, ROUND_CEILING)}"


def ago(at: float, now: float) -> str:
    """Return how long ago something was, in whole units."""
    seconds = max(0.0, now - at)
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{count(int(seconds // size))}{THIN}{unit} ago"
    return f"{int(seconds)}{THIN}s ago"


def money(paid: Money) -> str:
    """Return an amount exactly, with at least two decimals."""
    whole, _, decimals = f"{paid.amount:,f}".partition(".")
    return f"{whole.replace(',', THIN)}.{decimals.rstrip('0').ljust(2, '0')}{THIN}{paid.currency}"


def moment(at: float, now: float) -> str:
    """Return a time in UTC, with its day unless that is today's."""
    then = _utc(at)
    return then.strftime("%H:%M:%S") if then.date() == _utc(now).date() else day_and_time(at)


def day_and_time(at: float) -> str:
    """Return a time in UTC with its day."""
    return _utc(at).strftime("%Y-%m-%d %H:%M:%S")


def timestamp(at: float) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def shares(parts: Sequence[int]) -> list[tuple[float, float]]:
    """Return where each part begins in a bar of 100, and how long it is; a bar of nothing has no parts."""
    total = sum(parts)
    if not total:
        return []
    starts = accumulate(parts, initial=0)
    return [
        (round(start * 100 / total, 3), round(part * 100 / total, 3))
        for start, part in zip(starts, parts, strict=False)
    ]


def _utc(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)

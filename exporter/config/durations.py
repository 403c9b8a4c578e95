"""Durations as Prometheus writes them, to seconds and back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_UNIT_SECONDS: Final = (
    ("y", Decimal(365 * 86_400)),
    ("w", Decimal(7 * 86_400)),
    ("d", Decimal(86_400)),
    ("h", Decimal(3_600)),
    ("m", Decimal(60)),
    ("s", Decimal(1)),
    ("ms", Decimal("0.001")),
)
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"

DURATION_PATTERN: Final = f"^(?=[0-9])(?:0|{''.join(f'(?:{_NUMBER}{unit})?' for unit, _ in _UNIT_SECONDS)})$"
"""What a duration looks like, for the JSON Schema."""

_DURATION: Final = re.compile("".join(f"(?:({_NUMBER}){unit})?" for unit, _ in _UNIT_SECONDS))
_LONGEST_SECONDS: Final = Decimal(100 * 365 * 86_400)


def parse_duration(text: str) -> float:
    """Return the seconds of `1h30m`, `2.5s`, `500ms` or `0`; raise ValueError for anything else."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError("must be a duration such as 500ms, 2.5s, 5m, 1h30m or 72h")
    parts = zip(match.groups(), _UNIT_SECONDS, strict=True)
    seconds = sum((Decimal(number) * unit for number, (_, unit) in parts if number), Decimal(0))
    if seconds > _LONGEST_SECONDS:
        raise ValueError("must be at most 100y")
    return float(seconds)


def format_duration(seconds: float) -> str:
    """Write seconds, to the millisecond, the way `parse_duration` reads them."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    rest = f"{Decimal(milliseconds) / 1000:f}s" if milliseconds else ""
    return f"{hours}h" * bool(hours) + f"{minutes}m" * bool(minutes) + rest

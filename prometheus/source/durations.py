"""Durations in rules, and rules whose every duration is multiplied, so that a test need not wait for hours."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION: Final = r"(?:\d+(?:ms|[smhdw]))+"
_IN_EXPRESSION: Final = re.compile(rf"(?<=\[){_DURATION}(?=[:\]])|(?<=:){_DURATION}(?=\])|(?<=offset ){_DURATION}")
"""The range of a selector, range and step of a subquery, and an offset; names of records stay as they are."""


def milliseconds(text: str) -> int:
    """Return how long a duration as Prometheus writes them is."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdw])", text))


def scaled(text: str, scale: float) -> str:
    """Return a duration multiplied; as it was when the scale is 1."""
    return text if scale == 1.0 else f"{max(1, round(milliseconds(text) * scale))}ms"


def scaled_expression(expr: str, scale: float) -> str:
    """Return an expression with every duration in it multiplied, and nothing else changed."""
    return _IN_EXPRESSION.sub(lambda found: scaled(found[0], scale), expr)


def without_durations(expr: str) -> str:
    """Return an expression with every duration in it left out, to compare the rest."""
    return _IN_EXPRESSION.sub("", expr)

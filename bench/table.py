"""One table of everything that was measured: each figure beside one of the same run, and beside its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

_HEAD: Final = ("what", "measured", "compared with", "", "ratio", "target", "")


@dataclass(frozen=True, slots=True)
class Target:
    """What must be reached, by the measured figure or by its ratio to the other one."""

    of: Literal["measured", "ratio"]
    sense: Literal[">=", "<="]
    limit: float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, and the one of the same run that it is compared with."""

    what: str
    measured: float
    compared_with: str
    reference: float
    unit: str
    target: Target | None = None
    """None where the comparison is all there is to see."""

    @property
    def ratio(self) -> float:
        """How many times the reference was measured."""
        return self.measured / self.reference if self.reference else float("nan")

    @property
    def reached(self) -> bool:
        """Whether the target is met; there may be none."""
        if self.target is None:
            return True
        figure = self.measured if self.target.of == "measured" else self.ratio
        return figure >= self.target.limit if self.target.sense == ">=" else figure <= self.target.limit


def render(rows: Sequence[Row]) -> str:
    """Return the rows as lines of text in columns."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    target = row.target
    limit = "" if target is None else f"{target.limit:g}" if target.of == "ratio" else _figure(target.limit, row.unit)
    return (
        row.what,
        _figure(row.measured, row.unit),
        row.compared_with,
        _figure(row.reference, row.unit),
        f"{row.ratio:.2f}",
        "" if target is None else f"{target.of} {target.sense} {limit}",
        "" if target is None else "ok" if row.reached else "missed",
    )


def _figure(value: float, unit: str) -> str:
    if unit == "%":
        return f"{value:.1%}" if value >= 0.01 or not value else f"{value:.2%}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}".rstrip()

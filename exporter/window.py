"""Sums over the last hour (or whatever `window` says), in sixty slices, stored with the totals."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Context, Decimal
from typing import Final

import msgspec

from exporter.store import WindowRow

WindowKey = tuple[str, tuple[str, ...]]
"""What is summed up (a name of this program's own), and for which account, channel and so on."""

_SLICES: Final = 60
_EXACT: Final = Context(prec=60)


class Windows:
    """Sums by key over the window that ends now."""

    def __init__(self, window_seconds: float, rows: Iterable[WindowRow]) -> None:
        """Take what the store held at the start."""
        self.window_seconds = window_seconds
        self._slices: dict[WindowKey, deque[tuple[float, Decimal]]] = {}
        self._sums: dict[WindowKey, Decimal] = {}
        for row in sorted(rows, key=lambda row: row.slice_at):
            self._put(
                (row.metric, msgspec.json.decode(row.labels, type=tuple[str, ...])), row.slice_at, Decimal(row.value)
            )

    def _put(self, key: WindowKey, slice_at: float, value: Decimal) -> None:
        slices = self._slices.setdefault(key, deque())
        before = slices.pop()[1] if slices and slices[-1][0] >= slice_at else Decimal(0)
        slices.append((slice_at, value))
        self._sums[key] = _EXACT.add(self._sums.get(key, Decimal(0)), value - before)

    def sum_up(
        self, added: Iterable[tuple[WindowKey, int | Decimal]], now: float
    ) -> dict[WindowKey, tuple[float, Decimal]]:
        """Return what the current slice comes to for each key that something is added to."""
        width = self.window_seconds / _SLICES
        slice_at = now // width * width
        sums: dict[WindowKey, tuple[float, Decimal]] = {}
        for key, amount in added:
            slices = self._slices.get(key)
            last_at, last = slices[-1] if slices else (0.0, Decimal(0))
            current = last if last_at >= slice_at else Decimal(0)
            sums[key] = (max(slice_at, last_at), _EXACT.add(current, Decimal(amount)))
        return sums

    def rows(self, sums: dict[WindowKey, tuple[float, Decimal]]) -> list[WindowRow]:
        """Return the slices as the store keeps them."""
        return [
            WindowRow(name, msgspec.json.encode(values).decode(), slice_at, str(value))
            for (name, values), (slice_at, value) in sums.items()
        ]

    def publish(self, sums: dict[WindowKey, tuple[float, Decimal]]) -> None:
        """Take in what has been stored."""
        for key, (slice_at, value) in sums.items():
            self._put(key, slice_at, value)

    def oldest_at(self, now: float) -> float:
        """Return the time before which slices have left the window."""
        return now - self.window_seconds - self.window_seconds / _SLICES

    def sums(self, now: float) -> dict[WindowKey, Decimal]:
        """Return the sums of the window that ends now; what has nothing in it is not there."""
        oldest_at = now - self.window_seconds
        for key, slices in list(self._slices.items()):
            while slices and slices[0][0] < oldest_at:
                self._sums[key] = _EXACT.subtract(self._sums[key], slices.popleft()[1])
            if not slices:
                del self._slices[key], self._sums[key]
        return dict(self._sums)

"""Knows of most new ids that the store cannot remember them, so that nobody has to ask it; a filter, never a proof."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from exporter.store import StoreError
from exporter.store.writer import Writer

Key = tuple[str, str]
"""Account and message id."""

_LEAST: Final = 8_192
_BITS_EACH: Final = 16
_PROBES: Final = 4
"""With 16 bits an id, one new id in four hundred is looked up in vain."""
_AT_ONCE: Final = 2_000
_RETRY_SECONDS: Final = 5.0


class _Filter:
    """A Bloom filter with room for so many keys."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._mask = (1 << (room * _BITS_EACH - 1).bit_length()) - 1
        self._bits = bytearray((self._mask + 1) // 8)

    def add(self, key: Key) -> None:
        """Take a key in."""
        bits, mask, place, step = self._bits, self._mask, *_hashes(key)
        for _ in range(_PROBES):
            bits[(place & mask) >> 3] |= 1 << (place & 7)
            place += step

    def may_have(self, key: Key) -> bool:
        """Whether a key may have been taken in; never False for one that was."""
        bits, mask, place, step = self._bits, self._mask, *_hashes(key)
        for _ in range(_PROBES):
            if not bits[(place & mask) >> 3] & 1 << (place & 7):
                return False
            place += step
        return True

    def some_of(self, keys: Iterable[Key]) -> list[Key]:
        """Return those keys that may have been taken in; most are told by the first probe, here without a call each."""
        bits, mask, may_have = self._bits, self._mask, self.may_have
        return [key for key in keys if bits[((first := hash(key)) & mask) >> 3] & 1 << (first & 7) and may_have(key)]


def _hashes(key: Key) -> tuple[int, int]:
    """Return where to probe first, and how far apart; odd, so that no two probes of a key meet."""
    whole = hash(key)
    return whole, whole >> 32 | 1


class Recall:
    """The ids that the store may remember: all of them until it was read once."""

    def __init__(self) -> None:
        """Start without knowing any."""
        self._filter: _Filter | None = None
        self._next: _Filter | None = None
        """The one that is being filled."""
        self._count = 0
        """How many keys the filter, or the one that is being filled, has taken in."""
        self._full = asyncio.Event()

    def may_know(self, keys: Iterable[Key]) -> list[Key]:
        """Return those ids that the store may remember."""
        return list(keys) if self._filter is None else self._filter.some_of(keys)

    def add(self, keys: Iterable[Key]) -> None:
        """Note ids that the store is about to remember."""
        for key in keys:
            for each in (self._filter, self._next):
                if each is not None:
                    each.add(key)
            self._count += 1
        if self._filter is not None and self._count > self._filter.room:
            self._full.set()

    async def run(self, writer: Writer) -> None:
        """Read what the store remembers, and again whenever the filter is full, until cancelled."""
        while True:
            try:
                await self._read(writer)
            except StoreError:
                # The store says elsewhere what is wrong with it; meanwhile it is asked about every id.
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            await self._full.wait()
            self._full.clear()

    async def _read(self, writer: Writer) -> None:
        count = await writer.call(lambda store: store.count_finished())
        self._next, self._count = _Filter(max(_LEAST, 2 * count)), 0
        place: int | None = 0
        while place is not None:
            place = await self._read_some(self._next, writer, place)
        self._filter, self._next = self._next, None

    async def _read_some(self, filled: _Filter, writer: Writer, after: int) -> int | None:
        keys, place = await writer.call(lambda store: store.finished_keys(after, _AT_ONCE))
        for key in keys:
            filled.add(key)
        self._count += len(keys)
        return place

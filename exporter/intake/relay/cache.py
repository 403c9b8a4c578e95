"""Remembers SMSBat's last answers about messages, as many as fit, and when each message was last asked about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Final

import msgspec

FRESH_SECONDS: Final = 30.0
"""SMSBat's own advice for a cache."""
MOST_ENTRIES: Final = 10_000

Key = tuple[str, str]
"""Account and message id."""


class Told(msgspec.Struct, frozen=True):
    """An answer about a message, as it came."""

    code: int
    body: bytes
    content_type: str | None
    content_encoding: str | None
    retry_after: str | None
    arrived_at: float


class _Entry(msgspec.Struct, frozen=True):
    told: Told | None
    """None when the last call brought nothing that may be told again."""
    final: bool
    arrived_at: float


class Cache:
    """The answers that were used last; their bodies are as short as a client takes (64 KiB)."""

    def __init__(self, most: int = MOST_ENTRIES) -> None:
        """Start empty; `most` is how many entries are kept."""
        self._most = most
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def put(self, key: Key, told: Told, *, final: bool) -> None:
        """Remember an answer; a final one is told for as long as it is kept."""
        self._add(key, _Entry(told, final, told.arrived_at))

    def note(self, key: Key, at: float) -> None:
        """Remember that a message was asked about in vain; what was told before may still be."""
        entry = self._entries.get(key)
        told, final = (None, False) if entry is None else (entry.told, entry.final)
        self._add(key, _Entry(told, final, at))

    def _add(self, key: Key, entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)

    def get(self, key: Key, now: float) -> Told | None:
        """Return what may be told now: a final answer, or one younger than 30 s."""
        entry = self._entries.get(key)
        if entry is None or entry.told is None:
            return None
        if not entry.final and not now - entry.told.arrived_at < FRESH_SECONDS:
            return None
        self._entries.move_to_end(key)
        return entry.told

    def forget(self, accounts: Collection[str]) -> None:
        """Tell nothing again of accounts that are others now, but keep when each message was asked about."""
        for key, entry in self._entries.items():
            if key[0] in accounts:
                self._entries[key] = _Entry(None, final=False, arrived_at=entry.arrived_at)

    def asked_at(self, key: Key) -> float:
        """Return when the last call about a message ended, 0.0 for never or longer ago than is remembered."""
        entry = self._entries.get(key)
        return 0.0 if entry is None else entry.arrived_at

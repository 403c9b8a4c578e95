"""Remembers how far files were read that are not there now: they come back under other names, and after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.intake.position import HEAD_BYTES, Position, fingerprint

if TYPE_CHECKING:
    from exporter.intake.tail import Tail

_KEY: Final = "file:"
_FORGET_SECONDS: Final = 7 * 86_400.0
_decode: Final = msgspec.json.Decoder(Position).decode


def encode(position: Position) -> str:
    """Return a position as the store keeps it."""
    return msgspec.json.encode(position).decode()


class Lost:
    """Positions by their keys in the store."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        """Take what is stored; positions of other sources are left alone."""
        self.notes: dict[str, str | None] = {}
        """Positions to store that come with no lines, by key; None: forgotten."""
        self._positions = {key: _decode(text) for key, text in stored.items() if key.startswith(_KEY)}
        self._last = max((int(key.removeprefix(_KEY)) for key in self._positions), default=0)

    def new_key(self) -> str:
        """Return a key that no position has."""
        self._last += 1
        return f"{_KEY}{self._last}"

    def keep(self, tail: Tail) -> None:
        """Remember a file that is gone, if anything of it was read."""
        if tail.position.offset:
            self._positions[tail.key] = tail.position

    def claim(self, tail: Tail) -> bool:
        """Let an open file go on where it, or one that held the same, was left; False when there is none."""
        known = self._known(tail)
        if not known:
            return False
        furthest = max(known, key=lambda key: known[key].offset)
        own = (key for key, position in known.items() if position.identity == tail.position.identity)
        tail.key = next(own, furthest)
        del self._positions[tail.key]
        self.move(tail, known[furthest].inside(tail.position.identity))
        return True

    def move(self, tail: Tail, position: Position) -> None:
        """Let a file go on from another place, which is to be stored."""
        tail.position = position
        self.notes[tail.key] = encode(position)

    def age(self, now: float) -> None:
        """Note since when files are gone, and forget those that have been for long."""
        for key, position in list(self._positions.items()):
            if position.gone_at is None:
                self._positions[key] = msgspec.structs.replace(position, gone_at=now)
                self.notes[key] = encode(self._positions[key])
            elif now - position.gone_at > _FORGET_SECONDS:
                del self._positions[key]
                self.notes[key] = None

    def _known(self, tail: Tail) -> dict[str, Position]:
        """Return the positions whose content an open file begins with."""
        head = tail.peek(0, HEAD_BYTES)
        heads: dict[int, str] = {}
        found: dict[str, Position] = {}
        for key, position in self._positions.items():
            length = min(position.offset, HEAD_BYTES)
            if length not in heads:
                heads[length] = fingerprint(head[:length])
            if heads[length] == position.head and position.found_in(tail.descriptor):
                found[key] = position
        return found

"""Reads one file on from where it was left, and notices when it is no longer the same."""

from __future__ import annotations

import os
import stat
from typing import Final, NamedTuple

from exporter.intake.lines import Cut, cut
from exporter.intake.position import HEAD_BYTES, Identity, Position

_CHUNK_BYTES: Final = 262_144
"""Read at once; more than the longest line, so that every read of this size gets on."""
_START_BYTES: Final = 64
_CLOSED: Final = -1


class Signature(NamedTuple):
    """What changes with a file's content."""

    size: int
    changed_at_ns: int


class Chunk(NamedTuple):
    """Some lines of a file, by their places in it, and where reading goes on."""

    lines: list[tuple[int, bytes]]
    too_long: list[int]
    position: Position
    more: bool
    """Whether there may be more to read at once."""


class Tail:
    """One file: its newest name, what is read of it, and the open descriptor, which holds on to it across renames."""

    def __init__(self, key: str, path: str, position: Position) -> None:
        """Take the key of its position in the store; the file is not open yet."""
        self.key = key
        self.path = path
        self.position = position
        self.descriptor = _CLOSED
        self.read_as: Signature | None = None
        """How the file looked when it was last read to its end."""
        self.gone = False
        """No name that is looked for leads to it any more."""
        self.active_at = 0.0
        """When something of it was last read, or its name went."""
        self.original: Tail | None = None
        """Of what other file this is a copy, as far as it has been read."""
        self.start = b""
        """Its first bytes, which tell most files apart."""
        self.reported = False
        """A bad line of it was logged."""

    @property
    def is_open(self) -> bool:
        """Whether it holds on to the file."""
        return self.descriptor != _CLOSED

    @property
    def lost(self) -> bool:
        """Whether only its position is left."""
        return self.gone and not self.is_open

    def open(self) -> bool:
        """Open the file of its name, if it is closed; False when that is another one by now. Raises OSError."""
        if self.is_open:
            return True
        # Without waiting for anybody to write to what may be a pipe by now.
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if identity_of(os.fstat(descriptor)) != self.position.identity:
            os.close(descriptor)
            return False
        self.descriptor = descriptor
        return True

    def close(self) -> None:
        """Close it; a file that still has its name is opened again when it changes."""
        if self.is_open:
            os.close(self.descriptor)
            self.descriptor = _CLOSED

    def forfeit(self) -> None:
        """Leave the open file to another."""
        self.descriptor, self.gone = _CLOSED, True

    def signature(self) -> Signature:
        """Return how the open file looks now. Raises OSError."""
        return signature_of(os.fstat(self.descriptor))

    def read(self, limit: int) -> Chunk | None:
        """Return at most `limit` lines from its position on; None when what stood before that has changed.

        Raises OSError.
        """
        here = self.position
        known = here.offset - here.checked_from
        head = self.peek(0, HEAD_BYTES)
        data = self.peek(here.checked_from, known + _CHUNK_BYTES)
        if not here.holds(head, data):
            return None
        self.start = head[:_START_BYTES]
        found = cut(data, known, limit, skipping=here.skipping)
        return _chunk(here, found, data, known)

    def intact(self) -> bool:
        """Whether what was read is still there. Raises OSError."""
        return self.position.found_in(self.descriptor)

    def peek(self, at: int, size: int) -> bytes:
        """Return some bytes of the open file, as many as there are. Raises OSError."""
        return os.pread(self.descriptor, size, at)


def _chunk(here: Position, found: Cut, data: bytes, known: int) -> Chunk:
    base, by = here.checked_from, found.end - known
    lines = [(base + at, line) for at, line in found.lines]
    position = here.moved(data, by, skipping=found.skipping) if by else here
    more = found.more or len(data) == known + _CHUNK_BYTES
    return Chunk(lines, [base + at for at in found.too_long], position, more)


def identity_of(found: os.stat_result) -> Identity:
    """Return which file it is."""
    return Identity(found.st_dev, found.st_ino)


def signature_of(found: os.stat_result) -> Signature:
    """Return how a file looks."""
    return Signature(found.st_size, found.st_mtime_ns)


def is_file(found: os.stat_result) -> bool:
    """Whether it is a file with lines, and no folder, pipe or device."""
    return stat.S_ISREG(found.st_mode)

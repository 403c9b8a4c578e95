"""How far a file has been read, known again by what it holds: names are passed on, and inode numbers used again."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

HEAD_BYTES: Final = 1024
TAIL_BYTES: Final = 256


class Identity(NamedTuple):
    """Which file of this machine it is, for as long as somebody has it open."""

    device: int
    inode: int


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A place in a file, with fingerprints of its beginning and of what stands just before the place."""

    device: int
    inode: int
    offset: int = 0
    """Everything before this is read: the start of a line, or the middle of one that is being skipped."""
    head: str = ""
    """Of the first 1024 bytes, or of all before the offset."""
    tail: str = ""
    """Of the 256 bytes before the offset, or of all before it."""
    skipping: bool = False
    gone_at: float | None = None
    """When the file was found missing, in Unix seconds."""

    @property
    def identity(self) -> Identity:
        """The file it was last seen in."""
        return Identity(self.device, self.inode)

    @property
    def checked_from(self) -> int:
        """Where to begin to read, so that one read brings what `holds` looks at, and what is new."""
        return 0 if self.offset < HEAD_BYTES else self.offset - TAIL_BYTES

    def holds(self, head: bytes, data: bytes) -> bool:
        """Whether a file still has before the offset what was there.

        `head` is its first 1024 bytes, `data` what was read from `checked_from` on.
        """
        at = self.offset - self.checked_from
        return (
            fingerprint(data[max(0, at - TAIL_BYTES) : at]) == self.tail
            and fingerprint(head[: self.offset]) == self.head
        )

    def moved(self, data: bytes, by: int, *, skipping: bool) -> Position:
        """Return the place so many bytes further on; `data` is what was read from `checked_from` on."""
        at = self.offset - self.checked_from + by
        head = fingerprint(data[: min(at, HEAD_BYTES)]) if self.checked_from == 0 else self.head
        return msgspec.structs.replace(
            self,
            offset=self.offset + by,
            head=head,
            tail=fingerprint(data[max(0, at - TAIL_BYTES) : at]),
            skipping=skipping,
        )

    def inside(self, identity: Identity) -> Position:
        """Return the same place in another file that holds the same."""
        return msgspec.structs.replace(self, device=identity.device, inode=identity.inode, gone_at=None)

    def found_in(self, descriptor: int) -> bool:
        """Whether an open file begins with what was read; raises OSError when it cannot be read."""
        head = os.pread(descriptor, min(self.offset, HEAD_BYTES), 0)
        size = min(self.offset, TAIL_BYTES)
        return fingerprint(head) == self.head and (
            fingerprint(os.pread(descriptor, size, self.offset - size)) == self.tail
        )


def fingerprint(data: bytes) -> str:
    """Return what tells some bytes from others; nothing for none."""
    return blake2b(data, digest_size=16).hexdigest() if data else ""

"""The files that are followed: which there are, how far each is read, and what is to be read next."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from exporter.intake import copies
from exporter.intake.lost import Lost
from exporter.intake.position import Identity, Position
from exporter.intake.tail import Chunk, Signature, Tail, identity_of, is_file, signature_of

_MOST_BYTES: Final = 1_048_576
_MOST_OPEN: Final = 256
_LINGER_SECONDS: Final = 60.0
"""A file whose name is gone may still be written to: whoever writes has to open the new one first."""
_COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst")


class Take(NamedTuple):
    """What was read of one file, and is not taken in yet."""

    tail: Tail
    chunk: Chunk
    read_as: Signature | None
    """How the file looked, when this is all of it."""


class Tails:
    """Synchronous: every call but the constructor may read files, and only one thread at a time makes them."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        """Take the stored positions."""
        self.problems: dict[str, str] = {}
        """What cannot be read, and why, by path."""
        self.lost = Lost(stored)
        self._globs: tuple[str, ...] = ()
        self._present: dict[Identity, Tail] = {}
        self._queue: deque[Tail] = deque()
        self._waiting: list[Tail] = []
        """Copies that wait until their original is read as far."""
        self._open = 0

    def scan(self, globs: Sequence[str], now: float) -> None:
        """Look which files there are, and queue those that may hold something new."""
        changed, self._globs = tuple(globs) != self._globs, tuple(globs)
        self._queue.clear()
        self._waiting.clear()
        seen: dict[Identity, str] = {}
        for path, found in _matching(self._globs):
            identity = identity_of(found)
            if seen.setdefault(identity, path) == path:
                tail = self._present.setdefault(identity, Tail("", path, Position(*identity)))
                tail.path, tail.gone = path, False
                # An open file is always looked at: emptied and written to again within a tick it may look the same.
                if tail.is_open or tail.read_as != signature_of(found):
                    self._queue.append(tail)
        for identity in self._present.keys() - seen.keys():
            tail = self._present[identity]
            _miss(tail, now, follow=not changed)
            if tail.is_open:
                self._queue.append(tail)
        for path in self.problems.keys() - set(seen.values()):
            del self.problems[path]

    def take(self, limit: int) -> list[Take]:
        """Read at most so many lines; until `settle` says that they are taken in, they count as not read."""
        takes: list[Take] = []
        size = 0
        while self._queue and limit > 0 and size < _MOST_BYTES:
            take = self._take(self._queue.popleft(), limit)
            if take is not None:
                takes.append(take)
                limit -= len(take.chunk.lines) + len(take.chunk.too_long)
                size += take.chunk.position.offset - take.tail.position.offset
        return takes

    def settle(self, takes: Sequence[Take], now: float) -> None:
        """Go on after what was taken in and stored."""
        for tail, chunk, read_as in takes:
            tail.position, tail.read_as, tail.active_at = chunk.position, read_as, now
            if chunk.more:
                self._queue.append(tail)
        self._queue.extend(self._waiting)
        self._waiting.clear()

    def put_back(self, takes: Sequence[Take]) -> None:
        """Have read again what could not be taken in."""
        self._queue.extendleft(take.tail for take in reversed(takes))

    def tidy(self, now: float) -> None:
        """Let go of files whose name is gone, once they are read and nobody has written to them for a while."""
        for identity, tail in list(self._present.items()):
            if tail.gone and tail.is_open and now - tail.active_at >= _LINGER_SECONDS and _at_end(tail):
                tail.close()
            if tail.lost:
                del self._present[identity]
                self.lost.keep(tail)
        self._open = sum(tail.is_open for tail in self._present.values())
        self.lost.age(now)

    def close(self) -> None:
        """Close every file."""
        for tail in self._present.values():
            tail.close()

    def _take(self, tail: Tail, limit: int) -> Take | None:
        path = tail.path
        try:
            if not tail.is_open:
                self._open += 1
            take = self._read(tail, limit) if tail.open() else None
        except OSError as error:
            self.problems[path] = os.strerror(error.errno or 0)
            tail.close()
            return None
        self.problems.pop(path, None)
        if self._open > _MOST_OPEN and not tail.gone:
            tail.close()
            self._open -= 1
        return take

    def _read(self, tail: Tail, limit: int) -> Take | None:
        looks = tail.signature()
        chunk = tail.read(limit)
        if chunk is None:
            tail = self._begin_anew(tail)
            chunk = tail.read(limit)
        if chunk is not None and tail.position.offset == 0 and chunk.position.offset:
            chunk = self._begin(tail, chunk, limit)
        if chunk is not None and tail.original is not None:
            chunk = self._unread(tail, tail.original, chunk, limit)
        if chunk is None:
            return None
        if chunk.position == tail.position:
            tail.read_as = looks
            return None
        return Take(tail, chunk, None if chunk.more else looks)

    def _begin_anew(self, tail: Tail) -> Tail:
        """The file was emptied, or holds something else: what it held may stand elsewhere now."""
        fresh = Tail("", tail.path, Position(*tail.position.identity))
        fresh.descriptor, fresh.gone, fresh.active_at = tail.descriptor, tail.gone, tail.active_at
        tail.forfeit()
        self._present[fresh.position.identity] = fresh
        self.lost.keep(tail)
        return fresh

    def _begin(self, tail: Tail, chunk: Chunk, limit: int) -> Chunk | None:
        """Look whether the first lines of a file were read before, in this process or an earlier one."""
        if self.lost.claim(tail):
            return tail.read(limit)
        tail.key = tail.key or self.lost.new_key()
        if tail.original is None:
            tail.original = copies.original_of(tail, self._present.values())
        return chunk

    def _unread(self, tail: Tail, original: Tail, chunk: Chunk, limit: int) -> Chunk | None:
        if not original.lost:
            unread = copies.unread(tail, original, chunk)
            if unread is None:
                self._waiting.append(tail)
            return unread
        tail.original = None
        known = original.position
        if known.offset > tail.position.offset and known.found_in(tail.descriptor):
            self.lost.move(tail, known.inside(tail.position.identity))
            return tail.read(limit)
        return chunk


def _matching(globs: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files that the globs match, compressed ones aside: those were read when they were not."""
    paths = {path for each in globs for path in glob.iglob(each, recursive=True)}  # noqa: PTH207  # Path.glob takes no absolute glob
    for path in sorted(paths):
        if not path.endswith(_COMPRESSED):
            try:
                found = Path(path).stat()
            except OSError:
                continue  # gone already
            if is_file(found):
                yield path, found


def _miss(tail: Tail, now: float, *, follow: bool) -> None:
    """The file has no name any more that is looked for; what is left is read all the same, unless others are wanted."""
    if not tail.gone:
        tail.gone, tail.active_at = True, now
        if not follow:
            tail.close()


def _at_end(tail: Tail) -> bool:
    try:
        return tail.read_as == tail.signature()
    except OSError:
        return True

"""Keeps the lines of a copied file from being taken twice: copy-truncate leaves one under a name that may match too."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import TYPE_CHECKING

from exporter.intake.position import HEAD_BYTES

if TYPE_CHECKING:
    from exporter.intake.tail import Chunk, Tail


def original_of(tail: Tail, others: Iterable[Tail]) -> Tail | None:
    """Return the file that a new one may be a copy of, which is no copy itself. Raises OSError.

    They begin alike, or did until the other was emptied, which nobody has noticed yet.
    """
    head = tail.peek(0, HEAD_BYTES)
    for other in others:
        if other is tail or other.original is not None or not other.start or not _alike(head, other.start):
            continue
        if _reachable(other) and (_alike(head, other.peek(0, HEAD_BYTES)) or not other.intact()):
            return other
    return None


def unread(tail: Tail, original: Tail, chunk: Chunk) -> Chunk | None:
    """Return what of a chunk was not read from the original; None when the original is still to be read there.

    Clears `tail.original` where the two part. Raises OSError.
    """
    if not _reachable(original):
        return None
    begin = tail.position.offset
    size = chunk.position.offset - begin
    ours, theirs = tail.peek(begin, size), original.peek(begin, size)
    if ours == theirs:
        is_read = chunk.position.offset <= original.position.offset
        return chunk._replace(lines=[], too_long=[]) if is_read else None
    same = begin + _lines_alike(ours, theirs)
    if not original.intact() or same > original.position.offset:
        return None
    tail.original = None
    return chunk._replace(
        lines=[(at, line) for at, line in chunk.lines if at >= same],
        too_long=[at for at in chunk.too_long if at >= same],
    )


def _lines_alike(one: bytes, other: bytes) -> int:
    """Return how many bytes of whole lines are the same at the beginning."""
    pairs = zip(one.split(b"\n")[:-1], other.split(b"\n")[:-1], strict=False)
    return sum(len(line) + 1 for line, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _reachable(tail: Tail) -> bool:
    try:
        return tail.open()
    except OSError:
        return False


def _alike(one: bytes, other: bytes) -> bool:
    size = min(len(one), len(other))
    return one[:size] == other[:size]

"""Cuts what was read of a file into lines, and makes a line a message."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from exporter.admission import Offer
from exporter.intake.wire import UnusableError, WireMessage, offer

LONGEST_LINE_BYTES: Final = 65_536
_NULS: Final = re.compile(rb"\0*")
_decode: Final = msgspec.json.Decoder(WireMessage).decode


class Cut(NamedTuple):
    """The lines of some bytes; places count from the beginning of the bytes."""

    lines: list[tuple[int, bytes]]
    """Place and text, without the newline."""
    too_long: list[int]
    """Places of lines that are longer than any message."""
    end: int
    """Everything before this is done with; an unfinished line is not."""
    skipping: bool
    """The end lies in a line that is too long and not finished."""
    more: bool
    """Whether it stopped for the limit."""


def cut(data: bytes, at: int, limit: int, *, skipping: bool) -> Cut:
    """Cut the bytes from `at` on into at most `limit` lines; `skipping` says that they begin in a line too long."""
    lines: list[tuple[int, bytes]] = []
    too_long: list[int] = []
    while len(lines) + len(too_long) < limit:
        begin = at if skipping else _after_nuls(data, at)
        newline = data.find(b"\n", begin)
        if newline < 0:
            if not skipping and len(data) - begin > LONGEST_LINE_BYTES:
                too_long.append(begin)
                skipping = True
            return Cut(lines, too_long, len(data) if skipping else begin, skipping, more=False)
        line = b"" if skipping else data[begin:newline]
        if len(line) > LONGEST_LINE_BYTES:
            too_long.append(begin)
        elif line and not line.isspace():
            lines.append((begin, line))
        skipping, at = False, newline + 1
    return Cut(lines, too_long, at, skipping, more=True)


def parse(line: bytes, first_account: str) -> Offer:
    """Return the message that a line offers; raise UnusableError when there is none."""
    try:
        wire = _decode(line)
    except msgspec.ValidationError as error:
        raise UnusableError(str(error)) from None
    except (ValueError, RecursionError):
        raise UnusableError("it is no JSON") from None
    return offer(wire, first_account)


def _after_nuls(data: bytes, at: int) -> int:
    """Skip what stands in place of the content that copy-truncate took from under a writer that does not append.

    At the end of the file a few may be a line that is still on its way.
    """
    if not data.startswith(b"\0", at):
        return at
    found = _NULS.match(data, at)
    end = at if found is None else found.end()
    return at if end == len(data) and end - at <= LONGEST_LINE_BYTES else end

"""Which messages are meant: ids from the command line, a file or standard input, checked before anything is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from exporter.message import MESSAGE_ID
from exporter.track.problems import UsageError

STDIN: Final = "-"
"""The file name that means standard input."""

_RULE: Final = f"not a message id, which must match {MESSAGE_ID.pattern}"


def gather(arguments: Sequence[str], file: str | None, stdin: BinaryIO) -> list[str]:
    """Return every id once, in the order given; raise UsageError with all that is wrong.

    What is no id is not quoted: a wrong file may hold phone numbers or keys.
    """
    placed = [(f"argument {number}", text) for number, text in enumerate(arguments, start=1)]
    if file is not None:
        placed += _lines(file, stdin)
    wrong = [f"{place}: {_RULE}" for place, text in placed if not MESSAGE_ID.fullmatch(text)]
    if wrong:
        raise UsageError(*wrong)
    if not placed:
        raise UsageError(
            "no message ids: give some as arguments, or a file of them by --from-file (- is standard input)"
        )
    return list(dict.fromkeys(text for _, text in placed))


def _lines(file: str, stdin: BinaryIO) -> Iterator[tuple[str, str]]:
    """Yield the ids of a file, with the place of each: one a line, without blank lines and comments."""
    name = "standard input" if file == STDIN else file
    try:
        content = stdin.read() if file == STDIN else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: cannot be read: {error.strerror}") from None
    yield from parse(name, content.decode("utf-8-sig", "replace").splitlines())


def parse(name: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield what each line holds, with its place."""
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            yield f"{name}:{number}", text

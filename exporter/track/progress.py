"""How far the wait has come, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Final, Protocol, TextIO

from exporter.track import telling
from exporter.track.board import Board
from exporter.track.report import Report

_BAR: Final = 24
_COLUMNS: Final = 80
_GREEN: Final = "\x1b[32m"
_RED: Final = "\x1b[31m"
_PLAIN: Final = "\x1b[0m"


class Progress(Protocol):
    """Somebody who is told how it goes."""

    def ended(self, report: Report) -> None:
        """Be told of a message that ended."""
        ...

    def say(self, line: str) -> None:
        """Be told something else that the user must know."""
        ...

    def tick(self, elapsed_seconds: float) -> None:
        """Be told that time passes."""
        ...

    def close(self) -> None:
        """Leave the screen to others."""
        ...


def progress(board: Board, stream: TextIO, env: Mapping[str, str], timeout_seconds: float) -> Progress:
    """Return what suits the stream."""
    if not stream.isatty() or env.get("TERM") == "dumb":
        return Lines(board, stream)
    return Bar(board, stream, timeout_seconds, coloured=not env.get("NO_COLOR"))


class Lines:
    """A line for each message that ends."""

    def __init__(self, board: Board, stream: TextIO) -> None:
        """Take what to tell of, and where."""
        self._board = board
        self._stream = stream

    def ended(self, report: Report) -> None:
        """Write its line."""
        messages = len(self._board)
        self.say(telling.line(report, messages - self._board.open_count, messages))

    def say(self, line: str) -> None:
        """Write a line."""
        _write(self._stream, f"{line}\n")

    def tick(self, elapsed_seconds: float) -> None:
        """Time alone is no news."""

    def close(self) -> None:
        """Lines stay."""


class Bar:
    """One line that is written over and over; without colours it holds no escape sequence at all."""

    def __init__(self, board: Board, stream: TextIO, timeout_seconds: float, *, coloured: bool) -> None:
        """Take what to tell of, and where."""
        self._board = board
        self._stream = stream
        self._timeout_seconds = timeout_seconds
        self._coloured = coloured
        self._elapsed_seconds = 0.0
        self._drawn = 0
        """How many characters stand on the line."""

    def ended(self, _: Report) -> None:
        """Show the new counts."""
        self._draw()

    def say(self, line: str) -> None:
        """Write a line above the bar."""
        self.close()
        _write(self._stream, f"{line}\n")
        self._draw()

    def tick(self, elapsed_seconds: float) -> None:
        """Show the time."""
        self._elapsed_seconds = elapsed_seconds
        self._draw()

    def close(self) -> None:
        """Leave an empty line, and the cursor at its start."""
        _write(self._stream, "\r" + " " * self._drawn + "\r")
        self._drawn = 0

    def _draw(self) -> None:
        line = self._line()[: _columns(self._stream) - 1]  # the last column would begin a new line
        padding = " " * (self._drawn - len(line))
        self._drawn = len(line)
        _write(self._stream, "\r" + self._painted(line) + padding)

    def _line(self) -> str:
        board = self._board
        ended = len(board) - board.open_count
        full = _BAR * ended // len(board)
        times = f"{_clock(self._elapsed_seconds)} of {_clock(self._timeout_seconds)}"
        counts = f"{board.delivered} delivered, {board.failed} failed, {board.open_count} open"
        return f"[{'#' * full}{'-' * (_BAR - full)}] {ended}/{len(board)}  {counts}  {times}"

    def _painted(self, line: str) -> str:
        """Green while all goes well, red once a message failed."""
        if not self._coloured:
            return line
        return (_RED if self._board.failed else _GREEN) + line[: _BAR + 2] + _PLAIN + line[_BAR + 2 :]


def _write(stream: TextIO, text: str) -> None:
    """Write at once; the wait goes on when nobody reads this any more."""
    with contextlib.suppress(OSError):
        stream.write(text)
        stream.flush()


def _clock(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _columns(terminal: TextIO) -> int:
    """Return how wide a terminal is; one that does not say so has 80 columns."""
    try:
        return os.get_terminal_size(terminal.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS

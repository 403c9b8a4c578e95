"""Runs a wait: until every message has ended, the time is over or a signal comes; then prints what there is."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from exporter.track.board import Board
from exporter.track.exits import Exit
from exporter.track.problems import CannotTrackError
from exporter.track.progress import Progress
from exporter.track.report import Report
from exporter.track.summary import summarize

_log: Final = logging.getLogger(__name__)
_TICK_SECONDS: Final = 1.0
_SIGNALLED: Final = 128

Tell = Callable[[str], None]
"""Is told lines that the user must know."""
Follow = Callable[[Board, Tell], Coroutine[None, None, None]]
"""Puts every message of the board there as it ends, and tells what goes wrong meanwhile.

Raises CannotTrackError when it cannot.
"""
Show = Callable[[Sequence[Report]], str]
"""All that is known of every message, as it is printed."""


async def run(board: Board, follow: Follow, progress: Progress, timeout_seconds: float, show: Show) -> int:
    """Wait, then print what `show` makes of it on standard output; returns the exit code."""
    board.on_end = progress.ended
    interrupted = _interruption()
    following = asyncio.create_task(follow(board, progress.say), name="following")
    try:
        await _until_over(following, interrupted, progress, timeout_seconds)
    finally:
        following.cancel()
        await asyncio.wait({following})
        progress.close()
    if not following.cancelled() and (error := following.exception()) is not None:
        return _failed(error)
    if (why := _printed(show(board.reports))) is not None:
        sys.stderr.write(f"smsbat-exporter: the result cannot be written: {why}\n")
        return Exit.UNWRITTEN
    return _SIGNALLED + interrupted.result() if interrupted.done() else summarize(board.reports).exit


async def _until_over(
    following: asyncio.Task[None], interrupted: asyncio.Future[int], progress: Progress, timeout_seconds: float
) -> None:
    """Return when there is nothing to wait for any more; time goes on on the screen meanwhile."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    while not following.done() and not interrupted.done():
        elapsed_seconds = loop.time() - started_at
        if elapsed_seconds >= timeout_seconds:
            return
        progress.tick(elapsed_seconds)
        waits: set[asyncio.Future[Any]] = {following, interrupted}
        seconds = min(_TICK_SECONDS, timeout_seconds - elapsed_seconds)
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _interruption() -> asyncio.Future[int]:
    """Return what gets the number of the first signal, Ctrl-C or SIGTERM, in place of what else it would do."""
    loop = asyncio.get_running_loop()
    interrupted: asyncio.Future[int] = loop.create_future()

    def interrupt(number: int) -> None:
        if not interrupted.done():
            interrupted.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, interrupt, number)
    return interrupted


def _printed(text: str) -> str | None:
    """Print; returns why that was not possible. A reader who has had enough, such as `head`, is no trouble."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return None if isinstance(error, BrokenPipeError) else error.strerror
    return None


def _failed(error: BaseException) -> int:
    """Say why nothing can be said of the messages."""
    if isinstance(error, CannotTrackError):
        sys.stderr.write(f"smsbat-exporter: {error}\n")
        return error.code
    _log.error("tracking failed in a way that nobody foresaw", exc_info=error)
    return Exit.SOFTWARE

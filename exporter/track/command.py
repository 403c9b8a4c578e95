"""From the command line of `track` to a wait, or to everything that is wrong with it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Final

from exporter.config import Config, ConfigError, parse_duration
from exporter.track import telling
from exporter.track.board import Board
from exporter.track.exits import Exit
from exporter.track.flags import Wish
from exporter.track.ids import gather
from exporter.track.problems import UsageError
from exporter.track.progress import progress
from exporter.track.running import Follow, run

_TOKEN_FILE: Final = "SMSBAT_EXPORTER_TOKEN_FILE"  # noqa: S105 - a variable's name


def track(
    wish: Wish,
    load: Callable[[], Config],
    env: Mapping[str, str],
    run_loop: Callable[[Coroutine[None, None, int]], int],
) -> int:
    """Wait as the command line asks; returns the exit code.

    `load` reads the configuration (raises ConfigError), `run_loop` runs a coroutine in an event loop.
    """
    try:
        timeout_seconds = _timeout(wish.timeout)
        # A standard input that is closed is None, and holds no ids.
        stdin = io.BytesIO() if sys.stdin is None else sys.stdin.buffer
        board = Board(gather(wish.ids, wish.from_file, stdin))
        if wish.via is None:
            follow = _alone(wish, load(), len(board), timeout_seconds)
        else:
            follow = _through(wish, wish.via, env, timeout_seconds)
    except UsageError as error:
        return _complain(Exit.USAGE, (f"smsbat-exporter: {line}" for line in error.lines))
    except ConfigError as error:
        return _complain(Exit.CONFIG, map(str, error.problems))
    shown = progress(board, sys.stderr, env, timeout_seconds)
    show = telling.document if wish.as_json else partial(telling.text, own_clock=wish.via is None)
    return run_loop(run(board, follow, shown, timeout_seconds, show))


def _timeout(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--timeout: {error}") from None
    if seconds < 1:
        raise UsageError("--timeout: must be at least 1s")
    return seconds


def _alone(wish: Wish, config: Config, messages: int, timeout_seconds: float) -> Follow:
    if wish.token_file is not None:
        raise UsageError("--via-token-file: goes with --via only")
    from exporter.track import alone  # noqa: PLC0415 - a whole exporter, which --via does without

    own = alone.configured(config, wish.account, messages, timeout_seconds)
    return lambda board, tell: alone.follow(own, board, wish.channel, tell)


def _through(wish: Wish, url: str, env: Mapping[str, str], timeout_seconds: float) -> Follow:
    if wish.config_given:
        raise UsageError("--config.file: does not go with --via: the exporter there has its own")
    from exporter.track import calling, through  # noqa: PLC0415 - tracking alone does without

    base = calling.check_url(url)
    token = calling.read_token(wish.token_file or env.get(_TOKEN_FILE) or None)
    given = {"account": wish.account, "channel": wish.channel}
    fields = {name: value for name, value in given.items() if value is not None}
    return lambda board, tell: through.follow(
        lambda: calling.Calls(base, token, through.CALLERS), board, fields, timeout_seconds, tell
    )


def _complain(code: Exit, lines: Iterable[str]) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return code

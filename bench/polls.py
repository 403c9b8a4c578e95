"""Polls a second on one core: the exporter, its store included, beside a bare aiohttp loop on the same server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from bench.table import Row, Target

_POLLS: Final = 20_000
_ROUNDS: Final = 7
_LONGEST_SECONDS: Final = 60.0
_SERVER_CORE: Final = 1
_CLIENT_CORE: Final = 2
_LIVES: Final = (
    ("never_ending", "polls a second, messages stay in flight", Target("ratio", ">=", 0.75)),
    ("realistic", "polls a second, 9 of 10 messages end", None),
)


@contextmanager
def _server(life: str) -> Iterator[str]:
    """Run the simulated API on a core of its own; gives its base URL."""
    command = [sys.executable, "-m", "bench.polling_server", str(_POLLS), str(_SERVER_CORE), life]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (itself)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _rate(kind: str, url: str) -> float:
    command = [sys.executable, "-m", "bench.polling_client", kind, url, str(_POLLS), str(_CLIENT_CORE)]
    run = subprocess.run(  # noqa: S603 (itself)
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_LONGEST_SECONDS
    )
    return _POLLS / float(run.stdout)


def rows() -> Iterator[Row]:
    """Measure, each in turn, so that what else the machine does meets both."""
    for life, what, target in _LIVES:
        with _server(life) as url:
            rates = [(_rate("bare", url), _rate("exporter", url)) for _ in range(_ROUNDS)]
        bare, ours = (median(kind) for kind in zip(*rates, strict=True))
        yield Row(what, ours, "bare aiohttp loop", bare, "/s", target)

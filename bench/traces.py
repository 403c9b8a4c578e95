"""What traces cost: CPU of a poll with traces off, on with nothing sampled, and with a tenth sampled."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Final

from bench.table import Row, Target

_POLLS: Final = 20_000
_ROUNDS: Final = 5
_LONGEST_SECONDS: Final = 60.0
_SERVER_CORE: Final = "1"
_CLIENT_CORE: Final = "2"
_LIVES: Final = (("never_ending", "messages stay in flight"), ("realistic", "9 of 10 messages end"))
_KINDS: Final = (
    ("unsampled", "traces on, nothing sampled", Target("ratio", "<=", 1.1)),
    ("sampled", "a tenth sampled", Target("ratio", "<=", 1.2)),
)


@contextmanager
def _running(*command: str) -> Iterator[str]:
    """Run a server of this package on a core of its own; gives its base URL."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (itself)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _microseconds(kind: str, url: str, collector: str) -> float:
    """Return the CPU time of one poll."""
    command = [sys.executable, "-m", "bench.traced_client", kind, url, str(_POLLS), _CLIENT_CORE, collector]
    run = subprocess.run(  # noqa: S603 (itself)
        command, check=True, stdout=subprocess.PIPE, text=True, timeout=_LONGEST_SECONDS
    )
    return float(run.stdout) / _POLLS * 1e6


def rows() -> Iterator[Row]:
    """Measure, each in turn, so that what else the machine does meets all of them."""
    kinds = ("off", *(kind for kind, _, _ in _KINDS))
    with _running("bench.trace_collector", _SERVER_CORE) as collector:
        for life, lives in _LIVES:
            with _running("bench.polling_server", str(_POLLS), _SERVER_CORE, life) as url:
                rounds = [[_microseconds(kind, url, collector) for kind in kinds] for _ in range(_ROUNDS)]
            off, *others = (median(kind) for kind in zip(*rounds, strict=True))
            for (_, what, target), measured in zip(_KINDS, others, strict=True):
                yield Row(f"CPU of a poll, {what}, {lives}", measured, "traces off", off, "us", target)

"""What the relay adds to a send, tracking and commit included: its median beside that of direct calls."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Final

import aiohttp
import msgspec
import uvloop

from bench.table import Row, Target

_SENDS: Final = 1_500
_WARM_UP: Final = 100
_MOST_ADDED_MS: Final = 2.0
_API_CORE, _RELAY_CORE = 1, 2
_HEADERS: Final = {"Content-Type": "application/json", "X-Authorization-Key": "benchmark"}
_BODY: Final = msgspec.json.encode(
    {"messages": [{"from": "Shop", "to": "+380501234567", "type": "sms", "text": "Your order is on its way"}]}
)


@contextmanager
def _running(*command: str) -> Iterator[str]:
    """Run a server in a process of its own; gives its base URL."""
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (ours)
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def _milliseconds(direct: str, relay: str) -> tuple[list[float], list[float]]:
    """Send by turns on both ways, so that what else the machine does meets both."""
    taken: tuple[list[float], list[float]] = ([], [])
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        for _ in range(_SENDS):
            for url, times in zip((direct, relay), taken, strict=True):
                began = time.perf_counter()
                async with session.post(f"{url}/bat/messagelist", data=_BODY) as response:
                    answer = msgspec.json.decode(await response.read())
                times.append((time.perf_counter() - began) * 1_000)
                assert answer["messages"][0]["status"] == "accepted", answer
    return taken[0][_WARM_UP:], taken[1][_WARM_UP:]


def rows() -> Iterator[Row]:
    """Measure the send call both ways."""
    with ExitStack() as opened:
        direct = opened.enter_context(_running("bench.polling_server", "0", str(_API_CORE), "realistic"))
        relay = opened.enter_context(_running("bench.relay_server", direct, str(_RELAY_CORE)))
        without, through = map(median, uvloop.run(_milliseconds(direct, relay)))
    yield Row("a send through the relay, median", through, "a direct send", without, "ms")
    target = Target("measured", "<=", _MOST_ADDED_MS)
    yield Row("what the relay adds, median", through - without, "a direct send", without, "ms", target)

"""Ten thousand callers who wait for the end of one message: what each costs in memory, and how soon all know."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from statistics import median
from typing import Final, cast
from urllib.parse import urlsplit

import aiohttp
import uvloop

from bench.processes import cpu_seconds, resident_bytes
from bench.serving import Serving, serving
from bench.table import Row, Target

_WAITERS: Final = 10_000
_AT_ONCE: Final = 100
"""Connections that are opened at a time: a listener's queue is no longer than this."""
_ROUNDS: Final = 3
_OPEN_FILES: Final = _WAITERS + 500
_LONGEST_SECONDS: Final = 50.0
_QUIET_SECONDS: Final = 0.5
"""In which a process that only ticks uses no hundredth of a second."""
_MOST_BYTES: Final = 10 * 1024


class _Caller(asyncio.Protocol):
    """Sends one request and notes when the answer is there."""

    def __init__(self, request: bytes) -> None:
        self.answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._request = request
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take the answer, which ends with the last brace of its JSON."""
        self._received += data
        if self._received.endswith(b"}") and not self.answered.done():
            assert self._received.startswith(b"HTTP/1.1 200"), self._received
            assert b'"final":true' in self._received, self._received
            self.answered.set_result(time.perf_counter())

    def connection_lost(self, error: Exception | None) -> None:
        """An answer that is missing now does not come."""
        if not self.answered.done():
            self.answered.set_exception(error or ConnectionError("closed without an answer"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def _waiting(url: str, message_id: str, count: int) -> list[_Caller]:
    """Open the connections, and have each wait for the message."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    request = f"GET /api/v1/messages/{message_id}?wait=60s HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    callers: list[_Caller] = []
    for _ in range(count // _AT_ONCE):
        opened = [loop.create_connection(lambda: _Caller(request), host, port) for _ in range(_AT_ONCE)]
        callers += [caller for _, caller in await asyncio.gather(*opened)]
    return callers


async def _until_heard(pid: int) -> None:
    """Return once the exporter has nothing left to do."""
    before = -1.0
    while (used := cpu_seconds(pid)) != before:
        before = used
        await asyncio.sleep(_QUIET_SECONDS)


async def _measured(exporter: Serving, message_id: str) -> tuple[float, float, float]:
    """Return what a waiter takes in bytes, and seconds from the end of the message to the first and last answer."""
    messages = f"{exporter.api}/api/v1/messages"
    async with aiohttp.ClientSession() as session:
        async with session.post(messages, json={"messageId": message_id}) as response:
            assert response.status == 202
        callers = await _waiting(exporter.api, message_id, _AT_ONCE)
        before = resident_bytes(exporter.pid)
        callers += await _waiting(exporter.api, message_id, _WAITERS - _AT_ONCE)
        await _until_heard(exporter.pid)
        each = (resident_bytes(exporter.pid) - before) / (_WAITERS - _AT_ONCE)
        began = time.perf_counter()
        async with asyncio.timeout(_LONGEST_SECONDS), session.delete(f"{messages}/{message_id}") as response:
            assert response.status == 204
            times = await asyncio.gather(*(caller.answered for caller in callers))
    for caller in callers:
        caller.close()
    return each, min(times) - began, max(times) - began


def rows() -> Iterator[Row]:
    """Measure, with a new exporter each time: memory that one has taken before it need not take again."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, hard))
    runs = []
    for number in range(_ROUNDS):
        with serving() as exporter:
            runs.append(uvloop.run(_measured(exporter, f"waited-for-{number}")))
    each, first, last = (median(run[place] for run in runs) for place in range(3))
    what = f"{_WAITERS:,} waiters"
    yield Row(f"memory of a waiter, {what}", each, "allowed", _MOST_BYTES, "B", Target("measured", "<=", _MOST_BYTES))
    yield Row(f"until {what} are answered", last, "until the first is", first, "s", Target("measured", "<=", 1.0))

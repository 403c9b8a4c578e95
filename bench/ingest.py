"""Messages that come in by HTTP: thousands in one request, and one a request from many clients at once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import msgspec

from bench.serving import serving
from bench.table import Row, Target
from exporter.store import InFlightRow
from exporter.store.opening import open_database

_MESSAGES: Final = 5_000
_BATCHES: Final = 15
_POSTS: Final = 8_000
_CLIENTS: Final = 50
_ROUNDS: Final = 7
_CLIENT_CORE: Final = 3
_TTL_SECONDS: Final = 300


def _ids() -> list[str]:
    return [str(uuid.uuid4()) for _ in range(_MESSAGES)]


def _body(ids: list[str]) -> bytes:
    return msgspec.json.encode([{"messageId": each, "channel": "sms", "ttl": _TTL_SECONDS} for each in ids])


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    """Send one request; returns the seconds until it is acknowledged."""
    began = time.perf_counter()
    async with session.post(f"{url}/api/v1/messages", data=body) as response:
        answer = await response.read()
    seconds = time.perf_counter() - began
    assert response.status == 202, answer
    assert msgspec.json.decode(answer)["accepted"] == _MESSAGES
    return seconds


def _store(connection: sqlite3.Connection, ids: list[str], first_seq: int) -> float:
    """Store the same rows by `executemany` and commit; returns seconds."""
    now = time.time()
    rows = [
        (seq, "main", each, "sms", "", now, now, float(_TTL_SECONDS), None, 0, 0, 0.0, 0.0, 0.0, 0, 0)
        for seq, each in enumerate(ids, first_seq)
    ]
    places = ", ".join("?" * len(InFlightRow._fields))
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO in_flight ({', '.join(InFlightRow._fields)}) VALUES ({places})", rows)  # noqa: S608
    connection.execute("COMMIT")
    return time.perf_counter() - began


async def _batches(url: str, path: Path) -> tuple[list[float], list[float]]:
    """Do the same both ways by turns, into two stores of one schema on one disk."""
    connection = open_database(path)
    through: list[float] = []
    bare: list[float] = []
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        for number in range(_BATCHES):
            ids = _ids()
            through.append(await _post(session, url, _body(ids)))
            # What follows the answer is not what is waited for.
            await asyncio.sleep(0.3)
            bare.append(_store(connection, ids, number * _MESSAGES + 1))
    connection.close()
    return through, bare


def batches() -> Iterator[Row]:
    """Measure thousands of messages in one request."""
    with serving() as exporter:
        through, bare = map(median, asyncio.run(_batches(exporter.api, exporter.folder / "bare.db")))
    what = f"{_MESSAGES:,} messages in one request"
    yield Row(what, through * 1e3, "executemany and commit", bare * 1e3, "ms", Target("ratio", "<=", 4.0))


@contextmanager
def _bare() -> Iterator[str]:
    """Run a bare server; gives its base URL."""
    with subprocess.Popen([sys.executable, "-m", "bench.posting_server"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _rate(url: str) -> float:
    """Return how many requests a second are answered."""
    command = [sys.executable, "-m", "bench.posting_client", url, str(_CLIENTS), str(_POSTS), str(_CLIENT_CORE)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (ours)
    return _POSTS / float(run.stdout)


def posts() -> Iterator[Row]:
    """Measure one message a request, each in turn, so that what else the machine does meets both."""
    with serving() as exporter, _bare() as url:
        rates = [(_rate(exporter.api), _rate(url)) for _ in range(_ROUNDS)]
    ours, bare = (median(kind) for kind in zip(*rates, strict=True))
    what = f"messages a second, one a request, {_CLIENTS} clients"
    yield Row(what, ours, "bare aiohttp server", bare, "/s", Target("ratio", ">=", 0.5))

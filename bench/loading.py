"""Loads two stores as a restart does, in a process of its own: `python -m bench.loading MANY FEW`."""

from __future__ import annotations

import asyncio
import gc
import os
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from prometheus_client import generate_latest

from bench.configs import config
from bench.processes import resident_bytes
from exporter import view
from exporter.clock import SystemClock
from exporter.core import Core
from exporter.restoring import load
from exporter.settings import layout
from exporter.store.sqlite import SqliteStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows

_SCRAPES: Final = 15


class Loaded(msgspec.Struct, frozen=True):
    """What loading took, in bytes and seconds."""

    select_seconds: float
    load_seconds: float
    """Until all are known, and the newest wait for their polls."""
    placed_seconds: float
    """Until all wait for their polls; the event loop goes on meanwhile."""
    grown_bytes: int
    ids_bytes: int
    """What a plain dict from id to number takes."""
    scrape_many: float
    scrape_few: float


def _select(path: Path) -> float:
    """Read every row in a bare loop."""
    connection = sqlite3.connect(path)
    began = time.perf_counter()
    for _ in connection.execute("SELECT * FROM in_flight"):
        pass
    seconds = time.perf_counter() - began
    connection.close()
    return seconds


async def _load(path: Path) -> tuple[Core, float, float]:
    """Load as App.start does; returns when the first had their places, and when all had, in seconds."""
    settings = config(intake={"max_in_flight": 2_000_000})
    writer = Writer(SqliteStore(path))
    core = Core(settings, SystemClock(), writer, Totals(layout(settings), []), Windows(settings.window, []))
    began = time.perf_counter()
    await load(core)
    more = core.placing.step(core.clock.now())
    seconds = time.perf_counter() - began
    while more:
        more = core.placing.step(core.clock.now())
    desk, now = core.desks["main"], core.clock.now()
    desk.queue.share(desk.budget.per_second, now)
    desk.queue.next_at(now)
    return core, seconds, time.perf_counter() - began


def _scrape(core: Core) -> float:
    began = time.perf_counter()
    generate_latest(view.snapshot(core, core.clock.now()))
    return time.perf_counter() - began


def _ids_bytes(path: Path) -> int:
    """Return what the ids alone take, and let go of them."""
    connection = sqlite3.connect(path)
    before = resident_bytes(os.getpid())
    ids = {message_id: number for number, (message_id,) in enumerate(connection.execute("SELECT id FROM in_flight"))}
    grown = resident_bytes(os.getpid()) - before
    connection.close()
    assert ids
    return grown


async def _measure(many: Path, few: Path) -> Loaded:
    small, _, _ = await _load(few)
    _scrape(small)
    select_seconds = _select(many)
    gc.collect()
    before = resident_bytes(os.getpid())
    large, load_seconds, placed_seconds = await _load(many)
    grown = resident_bytes(os.getpid()) - before
    scrapes = [(_scrape(large), _scrape(small)) for _ in range(_SCRAPES)]
    for core in (large, small):
        await core.writer.close()
    return Loaded(
        ids_bytes=_ids_bytes(many),
        select_seconds=select_seconds,
        load_seconds=load_seconds,
        placed_seconds=placed_seconds,
        grown_bytes=grown,
        scrape_many=median(many for many, _ in scrapes),
        scrape_few=median(few for _, few in scrapes),
    )


if __name__ == "__main__":
    measured = asyncio.run(_measure(Path(sys.argv[1]), Path(sys.argv[2])))
    sys.stdout.write(msgspec.json.encode(measured).decode())

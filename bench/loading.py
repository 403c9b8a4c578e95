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
from exporter import view
from exporter.clock import SystemClock
from exporter.core import Core
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
    grown_bytes: int
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


async def _load(path: Path) -> tuple[Core, float]:
    """Load as App.start does, until the poller has looked who is first."""
    settings = config(intake={"max_in_flight": 2_000_000})
    writer = Writer(SqliteStore(path))
    core = Core(settings, SystemClock(), writer, Totals(layout(settings), []), Windows(settings.window, []))
    began = time.perf_counter()
    await core.load()
    seconds = time.perf_counter() - began
    desk, now = core.plan.desks["main"], core.clock.now()
    desk.queue.share(desk.budget.per_second, now)
    desk.queue.next_at(now)
    return core, seconds


def _scrape(core: Core) -> float:
    began = time.perf_counter()
    generate_latest(view.snapshot(core, core.clock.now()))
    return time.perf_counter() - began


def _resident_bytes() -> int:
    """Return this process's resident memory."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    kibibytes = os.popen(f"ps -o rss= -p {os.getpid()}").read()  # noqa: S605 (macOS has no /proc)
    return int(kibibytes) * 1024


async def _measure(many: Path, few: Path) -> Loaded:
    small, _ = await _load(few)
    _scrape(small)
    select_seconds = _select(many)
    gc.collect()
    before = _resident_bytes()
    large, load_seconds = await _load(many)
    grown = _resident_bytes() - before
    scrapes = [(_scrape(large), _scrape(small)) for _ in range(_SCRAPES)]
    for core in (large, small):
        await core.writer.close()
    return Loaded(
        select_seconds=select_seconds,
        load_seconds=load_seconds,
        grown_bytes=grown,
        scrape_many=median(many for many, _ in scrapes),
        scrape_few=median(few for _, few in scrapes),
    )


if __name__ == "__main__":
    measured = asyncio.run(_measure(Path(sys.argv[1]), Path(sys.argv[2])))
    sys.stdout.write(msgspec.json.encode(measured).decode())

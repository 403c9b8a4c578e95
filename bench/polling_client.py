"""Polls each message of the server once: `python -m bench.polling_client bare|exporter URL COUNT CORE`."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
import uvloop

from bench.configs import config
from bench.cores import pin
from bench.polling_server import SENT_BEFORE_SECONDS, message_id
from exporter.app import collect_seldom
from exporter.clock import SystemClock
from exporter.core import Core
from exporter.crew import Crew
from exporter.message import Message, Status
from exporter.settings import layout
from exporter.store.sqlite import SqliteStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.trace_ids import Sampling
from exporter.window import Windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.config import Config

_CONCURRENCY: Final = 50
UNSAMPLED: Final = Sampling(0.0)


async def bare(url: str, count: int) -> float:
    """Ask about each message in a plain aiohttp loop; returns seconds."""
    numbers = iter(range(count))
    async with aiohttp.ClientSession(headers={"X-Authorization-Key": "benchmark"}) as session:
        began = time.perf_counter()
        await asyncio.gather(*(_ask(session, url, numbers) for _ in range(_CONCURRENCY)))
        return time.perf_counter() - began


async def _ask(session: aiohttp.ClientSession, url: str, numbers: Iterator[int]) -> None:
    for number in numbers:
        async with session.get(f"{url}/bat/message/{message_id(number)}") as response:
            await response.read()


def settings_of(url: str, count: int, folder: str) -> Config:
    """Return the settings of an exporter that may ask about all of them at once."""
    account = {"base_url": url, "requests_per_second": 1e6, "burst": 1_000_000, "max_concurrency": _CONCURRENCY}
    return config(account, store={"path": f"{folder}/state.db"}, intake={"max_in_flight": count})


async def exporter(url: str, count: int) -> float:
    """Have the exporter poll each message, all due at once, and store what it learns; returns seconds."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(url, count, folder)
        core = core_of(settings, Path(folder) / "state.db")
        committing = asyncio.create_task(core.committer.run())
        await track(core, count)
        seconds = await polled(core, settings, count)
        core.committer.stop()
        await committing
        await core.writer.close()
        return seconds


def core_of(settings: Config, path: Path) -> Core:
    """Return a core with a new store."""
    totals, windows = Totals(layout(settings), []), Windows(settings.window, [])
    return Core(settings, SystemClock(), Writer(SqliteStore(path)), totals, windows)


async def track(core: Core, count: int, sampling: Sampling = UNSAMPLED) -> None:
    """Take in messages that were last answered "processing" long ago."""
    sent_at = core.clock.now() - SENT_BEFORE_SECONDS
    message = Message(
        id="",
        account="main",
        channel="sms",
        sent_at=sent_at,
        accepted_at=sent_at,
        status=Status.PROCESSING,
        seen=1 << Status.PROCESSING,
        in_flight_at=sent_at + 1.0,
        answered_at=sent_at + 1.0,
        other_at=sent_at + 1.0,
        matured=True,
        polls=1,
    )
    messages = [msgspec.structs.replace(message, id=message_id(number)) for number in range(count)]
    sampled = [msgspec.structs.replace(each, sampled=sampling.takes(each)) for each in messages]
    core.tracker.track(sampled, 1)
    for slot in core.in_flight.slots():
        core.in_flight.put(slot, message)
        core.in_flight.columns.polled_at[slot] = message.answered_at
    await core.committer.stored()
    while core.placing.step(core.clock.now()):
        pass


async def polled(core: Core, settings: Config, count: int) -> float:
    """Poll until every message was asked about and what came of it is stored."""
    crew, meter = Crew(core, lambda _: None), core.desks["main"].meter
    clients = crew.clients(settings)
    gc.collect()
    collect_seldom()
    began = time.perf_counter()
    crew.start(clients, settings)
    while sum(meter.results.values()) < count:  # noqa: ASYNC110 (nobody tells, and the poller must not be slowed)
        await asyncio.sleep(0.01)
    await core.committer.stored()
    seconds = time.perf_counter() - began
    await crew.stop()
    answered = sum(number for result, number in meter.results.items() if result.value in {"changed", "unchanged"})
    assert answered == sum(meter.results.values()), meter.results
    return seconds


def main() -> None:
    """Measure, and print seconds."""
    kind, url, count, core = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    pin(core)
    print(uvloop.run({"bare": bare, "exporter": exporter}[kind](url, count)))


if __name__ == "__main__":
    main()

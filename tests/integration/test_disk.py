"""A disk that is full or read-only while the exporter runs: it waits, says so, and goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import pytest

from exporter.simulator import Simulator
from tests.integration import truth
from tests.integration.configs import account, config, message
from tests.integration.process import PATIENCE_SECONDS, Exporter, serving, write_config
from tests.integration.scrape import Scrape
from tests.integration.simulated import calls, delivered_after, simulated

MESSAGES: Final = 600
POLLED: Final = "smsbat_exporter_polls_total"
FINISHED: Final = "smsbat_messages_finished_total"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="takes Linux: prlimit and tmpfs")


def add_messages(simulator: Simulator, folder: Path, store: Path) -> None:
    """List messages that are delivered between 1 and 13 seconds from now."""
    listed = []
    for number in range(MESSAGES):
        simulator.add(f"msg-{number}", life=delivered_after(1.0 + number / 50, cost=f"0.{number:04}"))
        listed.append(message(f"msg-{number}"))
    write_config(folder, config([account(simulator.url)], listed, store={"path": str(store)}))


def store_is_down(scrape: Scrape) -> bool:
    return scrape.sum("smsbat_exporter_store_up") == 0


async def it_waits(exporter: Exporter, simulator: Simulator, store: Path, copy: Path) -> None:
    """Check that a process whose store fails says so, asks nothing, and shows no more than is stored."""
    await exporter.shows(store_is_down)
    errors = await exporter.shows(two_more_errors_than(await exporter.scrape()))
    asked, polled = calls(simulator), errors.sum(POLLED)
    scrape = await exporter.shows(two_more_errors_than(errors))
    assert calls(simulator) == asked
    assert scrape.sum(POLLED) == polled
    assert scrape.sum("smsbat_exporter_account_paused", account="main", reason="store") == 1
    assert scrape.sum("smsbat_exporter_request_budget", account="main") == 0
    status, body = await exporter.get("/-/healthy")
    assert status == 200
    assert body.startswith("store: the store ")
    assert (await exporter.get("/-/ready"))[0] == 200
    is_stored(scrape, store, copy)


def two_more_errors_than(before: Scrape) -> Callable[[Scrape], bool]:
    """Return the condition that the store was tried twice more."""
    name = "smsbat_exporter_store_errors_total"
    return lambda scrape: scrape.sum(name) >= before.sum(name) + 2


def is_stored(scrape: Scrape, store: Path, copy: Path) -> None:
    """Compare what is shown with a copy of the store, which another process may read."""
    copy.mkdir(exist_ok=True)
    for file in store.parent.glob(f"{store.name}*"):
        shutil.copy(file, copy / file.name)
    stored = truth.stored(copy / store.name)
    shown = scrape.shown({"smsbat_messages_finished_total", "smsbat_cost_total", "smsbat_message_parts_total"})
    assert shown
    assert {series: value for series, value in shown.items() if value > float(stored.get(series, 0))} == {}


async def it_goes_on(exporter: Exporter, simulator: Simulator, store: Path) -> None:
    """Check that a process whose store works again brings every message to its end."""
    await exporter.logged("the store works again")
    scrape = await exporter.shows(lambda scrape: scrape.sum(FINISHED) == MESSAGES)
    assert scrape.sum("smsbat_exporter_store_up") == 1
    assert scrape.sum("smsbat_exporter_account_paused") == 0
    assert await exporter.get("/-/healthy") == (200, "smsbat-exporter is healthy\n")
    expected = truth.expected(simulator.ledger)
    assert scrape.shown(truth.CHECKED) == {series: float(value) for series, value in expected.items()}
    assert await exporter.stop() == 0
    assert truth.stored(store) == truth.counters(expected)


async def test_a_file_that_may_not_grow_stops_polling_until_it_may(tmp_path: Path) -> None:
    store = tmp_path / "data" / "state.db"
    store.parent.mkdir()
    async with simulated() as simulator:
        add_messages(simulator, tmp_path, store)
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) > 0)
            _, hard = resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            await it_waits(exporter, simulator, store, tmp_path / "copy")
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            await it_goes_on(exporter, simulator, store)


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Path]:
    """Mount a small file system."""
    path = tmp_path / "disk"
    path.mkdir()
    if not await succeeds("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)):
        pytest.skip("mounting a tmpfs is not permitted here")
    yield path
    assert await succeeds("umount", "--lazy", str(path))


async def succeeds(*command: str) -> bool:
    """Run a program of the system; return whether it is there and exits with 0."""
    try:
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return await process.wait() == 0


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


async def remount(disk: Path, mode: str) -> None:
    """Make a disk read-only or writable, at a moment when no file is open for writing."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await succeeds("mount", "-o", f"remount,{mode}", str(disk)):
            pass


async def test_a_disk_that_is_full_and_then_read_only_stops_polling_until_it_is_back(
    tmp_path: Path, disk: Path
) -> None:
    store = disk / "data" / "state.db"
    store.parent.mkdir()
    async with simulated() as simulator:
        add_messages(simulator, tmp_path, store)
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) > 0)
            fill(disk / "filler")
            await it_waits(exporter, simulator, store, tmp_path / "copy")
            assert "the disk is full" in (await exporter.get("/-/healthy"))[1]
            await remount(disk, "ro")
            await it_waits(exporter, simulator, store, tmp_path / "copy")
            assert "is not writable" in (await exporter.get("/-/healthy"))[1]
            await remount(disk, "rw")
            (disk / "filler").unlink()
            await it_goes_on(exporter, simulator, store)

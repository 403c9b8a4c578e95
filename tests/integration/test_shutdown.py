"""SIGTERM: exit 0 within five seconds whatever the API does, and scrapes are answered until then."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from exporter.simulator import Fault, FaultKind, Simulator
from tests.integration import truth
from tests.integration.configs import account, config, message
from tests.integration.process import Exporter, serving, write_config
from tests.integration.scrape import Scrape
from tests.integration.simulated import ENDLESS, calls, delivered_after, simulated

MESSAGES: Final = 40
IN_FLIGHT: Final = "smsbat_messages_in_flight"
FINISHED: Final = "smsbat_messages_finished_total"
WITHIN_SECONDS: Final = 5.0
"""The contract's: a pod is killed after ten."""


async def last_scrapes(exporter: Exporter) -> list[Scrape]:
    """Scrape until the listener is gone; return those scrapes that began after it said that it stops."""
    scrapes: list[Scrape] = []
    while True:
        stopping = "msg=stopping" in exporter.log
        try:
            scrape = await exporter.scrape()
        except aiohttp.ClientError:
            return scrapes
        scrapes += [scrape] * stopping


async def terminate(exporter: Exporter) -> list[Scrape]:
    """Send SIGTERM, and scrape until it has exited, in time and with 0; return the scrapes of that time."""
    async with asyncio.TaskGroup() as tasks:
        scraping = tasks.create_task(last_scrapes(exporter))
        exporter.send(signal.SIGTERM)
        assert await exporter.ended(WITHIN_SECONDS) == 0
    return scraping.result()


async def test_sigterm_ends_it_while_every_call_hangs(tmp_path: Path) -> None:
    async with simulated() as simulator:
        for number in range(MESSAGES):
            simulator.add(f"msg-{number}", life=ENDLESS)
        simulator.faults.set(Fault(kind=FaultKind.HANG))
        listed = [message(f"msg-{number}") for number in range(MESSAGES)]
        write_config(tmp_path, config([account(simulator.url, request_timeout="1m")], listed))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda _: calls(simulator) == MESSAGES)
            scrapes = await terminate(exporter)
            assert {scrape.sum(IN_FLIGHT, status="accepted") for scrape in scrapes} <= {MESSAGES}
            assert exporter.lines[-1].endswith("msg=stopped")
        simulator.faults.clear()
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(IN_FLIGHT, status="processing") == MESSAGES)
            assert await exporter.stop() == 0


def add_messages(simulator: Simulator, folder: Path) -> None:
    """List messages that are delivered between 1 and 6 seconds from now."""
    listed = []
    for number in range(400):
        simulator.add(f"msg-{number}", life=delivered_after(1.0 + number / 80, cost=f"0.{number:04}"))
        listed.append(message(f"msg-{number}"))
    write_config(folder, config([account(simulator.url)], listed))


async def goes_on(folder: Path, simulator: Simulator, most_shown: float) -> None:
    """Check that the store has all that was shown, and that a restart brings every message to its end once."""
    series = truth.stored(folder / "state.db")
    stored = sum(value for (name, _), value in series.items() if name == FINISHED)
    assert most_shown <= stored < len(simulator.ledger)
    async with serving(folder) as exporter:
        await exporter.ready()
        assert (await exporter.scrape()).sum(FINISHED) >= stored
        scrape = await exporter.shows(lambda scrape: scrape.sum(FINISHED) == len(simulator.ledger))
        assert await exporter.stop() == 0
    expected = truth.expected(simulator.ledger)
    assert scrape.shown(truth.CHECKED) == {series: float(value) for series, value in expected.items()}


async def test_sigterm_amid_traffic_stores_what_was_shown_and_a_restart_goes_on_from_there(tmp_path: Path) -> None:
    async with simulated() as simulator:
        add_messages(simulator, tmp_path)
        async with serving(tmp_path) as exporter:
            before = await exporter.shows(lambda scrape: scrape.sum(FINISHED) > 50)
            scrapes = [before, *await terminate(exporter)]
        await goes_on(tmp_path, simulator, scrapes[-1].sum(FINISHED))


@pytest.mark.skipif(sys.platform != "linux", reason="takes Linux: prlimit")
async def test_sigterm_ends_it_while_the_store_does_not_work_and_scrapes_are_answered_until_then(
    tmp_path: Path,
) -> None:
    async with simulated() as simulator:
        add_messages(simulator, tmp_path)
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) > 50)
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            before = await exporter.shows(lambda scrape: scrape.sum("smsbat_exporter_store_up") == 0)
            scrapes = await terminate(exporter)
            assert "the store does not take the last changes" in exporter.log
        assert len(scrapes) > 10
        assert {scrape.sum(FINISHED) for scrape in scrapes} == {before.sum(FINISHED)}
        await goes_on(tmp_path, simulator, before.sum(FINISHED))


async def test_sigint_ends_it_too(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    async with serving(tmp_path) as exporter:
        await exporter.ready()
        exporter.send(signal.SIGINT)
        assert await exporter.ended(WITHIN_SECONDS) == 0


async def test_sigterm_ends_it_while_the_api_refuses_connections(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")], [message("msg-1")]))
    async with serving(tmp_path) as exporter:
        polled = "smsbat_exporter_polls_total"
        await exporter.shows(lambda scrape: scrape.sum(polled, result="connection_error") > 0)
        await terminate(exporter)

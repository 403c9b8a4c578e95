"""Runs the demo: simulated APIs, the exporter, the traffic, and a line now and then."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import aiohttp

from exporter.app import App
from exporter.clock import SystemClock
from exporter.demo import setting, telling
from exporter.demo.stopping import stop_signal
from exporter.demo.traffic import Traffic
from exporter.serving import Addresses, WebFlags, start_web
from exporter.store.choice import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.core import Core

_FIRST_LINE_SECONDS: Final = 5.0
_LINE_SECONDS: Final = 10.0


async def demo(addresses: Addresses, flags: WebFlags, *, say: Callable[[str], None]) -> None:
    """Run until Ctrl-C or SIGTERM; raises ConfigError or ListenError when it cannot start."""
    stopping, clock = stop_signal(), SystemClock()
    async with AsyncExitStack() as opened:
        urls: dict[str, str] = {}
        simulators = setting.simulators(clock)
        for name, simulator in simulators.items():
            opened.push_async_callback(simulator.close)
            urls[name] = await simulator.start()
        app = App(setting.config(urls), lambda: setting.config(urls), open_store)
        server = await start_web(app, clock, addresses.web, flags, app.reload)
        opened.push_async_callback(server.close)
        opened.push_async_callback(app.stop)
        opened.push_async_callback(app.listeners.close)
        await app.listeners.open(addresses.api, addresses.webhook)
        listening = app.listeners.urls()
        setting.tell(simulators[setting.SHOP], listening["webhooks"])
        await app.start(clock)
        say(telling.introduction(server.url, listening["api"], urls))
        if app.core is not None:
            await _flow(app, app.core, urls, say, stopping)
        say("Stopping.")


async def _flow(
    app: App, core: Core, urls: Mapping[str, str], say: Callable[[str], None], stopping: asyncio.Event
) -> None:
    """Keep the traffic and the lines going until told to stop; SIGHUP reloads."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(app.reload()))
        parts = (Traffic(core, urls, session).run(), _lines(core, say), _failure(app))
        tasks = [group.create_task(part) for part in parts]
        await stopping.wait()
        for task in tasks:
            task.cancel()


async def _failure(app: App) -> None:
    """Raise what a part of the exporter failed with."""
    await app.failed


async def _lines(core: Core, say: Callable[[str], None]) -> None:
    started_at = core.clock.now()
    pause = _FIRST_LINE_SECONDS
    while True:
        await asyncio.sleep(pause)
        pause = _LINE_SECONDS
        polls = sum(sum(desk.meter.results.values()) for desk in core.desks.values())
        age = core.clock.now() - started_at
        say(telling.status_line(age, core.totals.values, sum(core.committer.gauges.values()), polls))

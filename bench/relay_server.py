"""The relay with a core and a store on disk, on a core of its own: `python -m bench.relay_server UPSTREAM CORE`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop
from aiohttp import web

from bench.configs import config
from bench.cores import pin
from exporter.app import collect_seldom
from exporter.clock import SystemClock
from exporter.core import Core
from exporter.crew import Crew
from exporter.intake.relay.paths import routes
from exporter.intake.relay.relay import Relay
from exporter.settings import layout
from exporter.store.sqlite import SqliteStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows


async def _serve(upstream: str, folder: str) -> None:
    """Relay and poll, as `serve` does; the base URL is the one line of output."""
    path = Path(folder) / "state.db"
    account = {"base_url": upstream, "requests_per_second": 10.0}
    settings = config(account, relay={}, store={"path": str(path)})
    totals, windows = Totals(layout(settings), []), Windows(settings.window, [])
    core = Core(settings, SystemClock(), Writer(SqliteStore(path)), totals, windows)
    committing = asyncio.create_task(core.committer.run())
    relay = Relay(core.admission, core.tracker, core.relay, core.clock)
    relay.follow(relay.lines(settings), settings)
    crew = Crew(core, lambda _: None)
    crew.on_answer = relay.on_answer
    crew.start(crew.clients(settings), settings)
    app = web.Application()
    app.add_routes(routes(lambda: relay))
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collect_seldom()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await committing


def main() -> None:
    """Serve until the process is ended."""
    pin(int(sys.argv[2]))
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(_serve(sys.argv[1], folder))


if __name__ == "__main__":
    main()

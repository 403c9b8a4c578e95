"""A collector that takes every span and keeps none: `python -m bench.trace_collector CORE`."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from bench.cores import pin


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(content_type="application/x-protobuf")


async def _serve() -> None:
    """Serve until the process is ended; the base URL is the one line of output."""
    application = web.Application()
    application.router.add_post("/v1/traces", _take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve."""
    pin(int(sys.argv[1]))
    uvloop.run(_serve())


if __name__ == "__main__":
    main()

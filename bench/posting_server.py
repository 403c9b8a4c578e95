"""A bare aiohttp server that takes a message and answers 202: `python -m bench.posting_server`."""

from __future__ import annotations

import asyncio
import json

import uvloop
from aiohttp import web

from exporter.app import collect_seldom


async def _take(request: web.Request) -> web.Response:
    message = json.loads(await request.read())
    assert message["messageId"]
    return web.json_response({"accepted": 1, "duplicates": 0, "rejected": []}, status=202)


async def _serve() -> None:
    """Serve until the process is ended; the base URL is the one line of output."""
    app = web.Application()
    app.router.add_post("/api/v1/messages", _take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    collect_seldom()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())

"""A relay on loopback between a client and somebody who plays SMSBat, with a core that tracks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiohttp import web

from exporter.crew import Crew
from exporter.intake.relay.paths import routes
from exporter.intake.relay.relay import Relay
from exporter.simulator import SimAccount, Simulator
from tests.lab import Lab, account
from tests.raw_server import RawServer
from tests.virtual_time import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

KEY: dict[str, str] = {"X-Authorization-Key": "key"}


class Answer(msgspec.Struct):
    """What the caller got; the body as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401
        return msgspec.json.decode(self.body)


class Relaying:
    """One relay at work."""

    def __init__(self, lab: Lab, relay: Relay, url: str, session: aiohttp.ClientSession) -> None:
        self.lab, self.relay, self.url, self.session = lab, relay, url, session
        self.crew = Crew(lab.core, lambda _: None)
        self.crew.on_answer = relay.on_answer

    def poll(self) -> None:
        """Let the pollers begin."""
        self.crew.start(self.crew.clients(self.lab.core.config), self.lab.core.config)

    async def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a call of the application's, which adds no headers of its own."""
        skip = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
        async with self.session.request(
            method, self.url + path, data=body, headers=headers, skip_auto_headers=skip, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def send(
        self,
        *messages: Mapping[str, object],
        path: str = "/bat/messagelist",
        headers: Mapping[str, str] = KEY,
    ) -> Answer:
        """Send messages; `to` and `text` need not be told."""
        whole = [{"to": "+380501234567", "type": "sms", "text": "hello", **message} for message in messages]
        body = msgspec.json.encode({"messages": whole})
        return await self.call("POST", path, body, {"Content-Type": "application/json", **headers})

    async def status(self, message_id: str, headers: Mapping[str, str] = KEY, prefix: str = "") -> Answer:
        return await self.call("GET", f"{prefix}/bat/message/{message_id}", headers=headers)

    def reload(self, **changes: object) -> None:
        """Follow other settings; nobody polls meanwhile."""
        self.lab.reload(**changes)
        self.relay.follow(self.relay.lines(self.lab.core.config), self.lab.core.config)

    def shown(self, name: str, **labels: str) -> float | None:
        return self.lab.shown(name, **labels)


@asynccontextmanager
async def relaying(
    upstream: str,
    path: Path | None = None,
    *,
    loop_clock: bool = False,
    **given: Any,  # noqa: ANN401
) -> AsyncIterator[Relaying]:
    """Relay to `upstream`, the base URL of the account `main` unless `accounts` are given."""
    lab = Lab(path, **{"accounts": [account(base_url=upstream)], "relay": {}, **given})
    if loop_clock:
        lab.runs_by = LoopClock()
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(lab)
        relay = Relay(lab.core.admission, lab.core.tracker, lab.core.relay, lab.core.clock)
        relay.follow(relay.lines(lab.core.config), lab.core.config)
        app = web.Application()
        app.add_routes(routes(lambda: relay))
        runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        session = aiohttp.ClientSession(auto_decompress=False)
        made = Relaying(lab, relay, f"http://127.0.0.1:{runner.addresses[0][1]}", session)
        opened.push_async_callback(made.crew.stop)
        opened.push_async_callback(relay.close)
        opened.push_async_callback(runner.cleanup)
        opened.push_async_callback(session.close)
        yield made


class Upstream:
    """Somebody who plays SMSBat byte by byte; `raw` keeps the heads of requests, `bodies` their bodies."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        """The last one is given again and again; an empty one closes the connection instead."""
        self.bodies: list[bytes] = []
        self.raw = RawServer(self._handle)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int((self.raw.headers("Content-Length") or ["0"])[0])
        self.bodies.append(await reader.readexactly(length))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer:
            writer.write(answer)
        else:
            writer.close()


@asynccontextmanager
async def playing(*answers: bytes) -> AsyncIterator[Upstream]:
    """Play SMSBat with these answers."""
    upstream = Upstream(*answers)
    server = await asyncio.start_server(upstream.raw.serve, "127.0.0.1", 0)
    upstream.raw.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.raw.close()


@asynccontextmanager
async def simulated(path: Path | None = None, **given: Any) -> AsyncIterator[tuple[Relaying, Simulator]]:  # noqa: ANN401
    """Relay to the simulated API, in the loop's time; account `main` has the key `key`."""
    sim = Simulator(
        accounts=[
            SimAccount(name="main", api_key="key", requests_per_second=None),
            SimAccount(name="two", username="user", password="p:w", requests_per_second=None),
        ],
        clock=LoopClock(),
    )
    url = await sim.start()
    limits = given.pop("limits", {})
    basic = {"method": "basic", "username": "user", "password": "p:w"}
    accounts = [account(base_url=url, **limits), account("two", base_url=url, auth=basic)]
    try:
        async with relaying(url, path, loop_clock=True, **{"accounts": accounts, **given}) as made:
            yield made, sim
    finally:
        await sim.close()

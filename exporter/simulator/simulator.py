"""The simulated SMSBat API as one object: started, told about messages and faults, asked for the truth, closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from exporter.clock import Clock, SystemClock
from exporter.simulator.accounts import Doors, SimAccount
from exporter.simulator.control import Control
from exporter.simulator.fate import Request
from exporter.simulator.faults import Faults
from exporter.simulator.ledger import Ledger
from exporter.simulator.profile import Profile, realistic
from exporter.simulator.registry import Registry
from exporter.simulator.sending import Refusals
from exporter.simulator.server import Api, Latency
from exporter.simulator.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage

    from exporter.simulator.entry import Entry
    from exporter.simulator.lives import Life

_MAX_BODY: Final = 16 * 1024 * 1024
_TIDY_SECONDS: Final = 30.0
_SHUTDOWN_SECONDS: Final = 0.1
"""Calls that hang on purpose are not waited for."""


class Simulator:
    """A whole simulated API on loopback; the same seed and the same messages give the same lives."""

    def __init__(  # noqa: PLR0913 - settings with defaults, always given by keyword
        self,
        *,
        accounts: Sequence[SimAccount],
        seed: int = 1,
        clock: Clock | None = None,
        profile: Profile | None = None,
        refusals: Refusals | None = None,
        latency: Latency | None = None,
        keep_arrivals: bool = True,
        forget_after_seconds: float | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._accounts = tuple(accounts)
        self._forget_after_seconds = forget_after_seconds
        self.ledger = Ledger(keep_arrivals=keep_arrivals)
        self.faults = Faults(seed)
        self.webhooks = Webhooks(accounts, self._clock)
        self._registry = Registry(
            profile=profile or realistic(),
            seed=seed,
            refusals=refusals or Refusals(),
            ledger=self.ledger,
            webhooks=self.webhooks,
        )
        self._api = self._build_api(seed, latency)
        self._runner: web.ServerRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _build_api(self, seed: int, latency: Latency | None) -> Api:
        control = Control(faults=self.faults, ledger=self.ledger, registry=self._registry, clock=self._clock)
        return Api(
            doors=Doors(self._accounts, self._clock.now()),
            ledger=self.ledger,
            faults=self.faults,
            registry=self._registry,
            control=control,
            clock=self._clock,
            seed=seed,
            latency=latency,
        )

    def add(  # noqa: PLR0913 - what the send call would bring, by keyword
        self,
        message_id: str,
        *,
        account: str | None = None,
        channel: str = "sms",
        sent_at: float | None = None,
        fallbacks: Sequence[str] = (),
        life: Life | None = None,
    ) -> Entry:
        """Know a message that no send call brought: of the first account, sent now, its life drawn, unless told."""
        return self._registry.register(
            Request(message_id, channel, tuple(fallbacks)),
            account=self._accounts[0].name if account is None else account,
            sent_at=self._clock.now() if sent_at is None else sent_at,
            life=life,
        )

    def follow(self, profile: Profile) -> None:
        """Have messages that come in from now on fare by another profile: what goes wrong beyond the calls."""
        self._registry.follow(profile)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL; port 0 takes a free one."""
        server = web.Server(self._api.answer, request_factory=_request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._tasks = [asyncio.create_task(self.webhooks.run(), name="simulator webhooks")]
        if self._forget_after_seconds is not None:
            self._tasks.append(asyncio.create_task(self._forget(self._forget_after_seconds), name="simulator tidy"))
        return self.url

    @property
    def url(self) -> str:
        """The base URL, while it listens."""
        if self._runner is None:
            raise RuntimeError("the simulator is not started")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening; calls in flight are dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _forget(self, after_seconds: float) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            self.ledger.forget_unchanged_since(self._clock.now() - after_seconds)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Make the request object as aiohttp does, but for bodies of more than 1 MiB."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)


async def run(simulator: Simulator, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` is told the base URL once it listens."""
    announce(await simulator.start(host, port))
    try:
        await asyncio.Event().wait()
    finally:
        await simulator.close()

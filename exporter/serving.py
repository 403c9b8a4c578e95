"""Runs the exporter with its listeners until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import msgspec

from exporter.logs import fields
from exporter.systemd import Systemd
from exporter.web import listener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from exporter.app import App
    from exporter.clock import Clock
    from exporter.web.addresses import Address, UnixAddress
    from exporter.web.protection import Protection
    from exporter.web.server import Server
    from exporter.web.status import StatusPage

_log: Final = logging.getLogger(__name__)
_OPEN_FILES: Final = 32_768


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where each listener listens."""

    web: Address
    api: Address | UnixAddress
    webhook: Address


class WebFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says of the web listener, besides where it is."""

    lifecycle_enabled: bool
    config_file: Path | None
    """Who gets in, and over what; None: everybody, over plain HTTP."""


async def serve(app: App, clock: Clock, addresses: Addresses, flags: WebFlags) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads.

    Raises ConfigError, ListenError, StoreError or SecretError when it cannot start, and what a part of it fails with.
    """
    allow_connections()
    loop, stopping, systemd = asyncio.get_running_loop(), asyncio.Event(), Systemd(os.environ)
    loop.set_exception_handler(_log_unforeseen)

    one_at_a_time = asyncio.Lock()

    async def reload() -> list[str]:
        """Read the configuration again."""
        async with one_at_a_time:
            if app.ready and not stopping.is_set():
                systemd.reloading()
            try:
                return await app.reload()
            finally:
                tell_ready()

    def tell_ready() -> None:
        """Have systemd know that all is in its place, if it is."""
        if app.ready and not stopping.is_set():
            systemd.ready()

    async with AsyncExitStack() as listening:
        await listening.enter_async_context(systemd.watched())
        # Scrapes are answered until the last commit is shown.
        server = await start_web(app, clock, addresses.web, flags, reload)
        listening.push_async_callback(server.close)
        listening.push_async_callback(app.stop)
        listening.push_async_callback(app.listeners.close)
        await app.listeners.open(addresses.api, addresses.webhook)
        reloads: set[asyncio.Task[list[str]]] = set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(loop.create_task(reload())))
        _log.info("listening", extra=fields(url=server.url, **app.listeners.urls()))
        await _until(stopping, app.start(clock))
        tell_ready()
        await _until(stopping, app.failed)
        systemd.stopping()
        _log.info("stopping")
    _log.info("stopped")


def allow_connections() -> None:
    """Raise this process's own limit of open files: ten thousand callers may wait, and the usual limit is 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS names a hard limit that it does not grant.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _log_unforeseen(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task waited for; asyncio's own text would show what the exception quotes."""
    _log.error(context["message"], exc_info=context.get("exception"))


async def _until(stopping: asyncio.Event, work: Awaitable[None]) -> None:
    """Await the work, or leave it when the process is to stop."""
    stop, doing = asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(work)
    await asyncio.wait({stop, doing}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if doing.done():
        doing.result()
    else:
        doing.cancel()


async def start_web(
    app: App, clock: Clock, address: Address, flags: WebFlags, reload: Callable[[], Awaitable[list[str]]]
) -> Server:
    """Answer scrapes and probes from now on; raises ListenError, and ConfigError for a bad web configuration."""
    protection = None if flags.config_file is None else _protection(flags.config_file, clock)

    def problems() -> list[str]:
        """Say what is wrong now, a line each."""
        return app.problems() + ([] if protection is None else protection.problems())

    front = listener.Front(
        snapshot=app.snapshot,
        problems=problems,
        is_ready=lambda: app.ready,
        reload=reload,
        lifecycle_enabled=flags.lifecycle_enabled,
        status=lambda: _status(app, problems()),
    )
    return await listener.start(front, address, protection)


def _protection(file: Path, clock: Clock) -> Protection:
    from exporter.web.protection import Protection  # noqa: PLC0415 (most listen without)

    return Protection(file, clock)


async def _status(app: App, problems: list[str]) -> StatusPage:
    """Return what the status page shows now."""
    from exporter import overview  # noqa: PLC0415 (only visitors need it)
    from exporter.web.status import Door  # noqa: PLC0415 (likewise)

    api = app.listeners.api
    door = None if api is None else Door(url=api.url, needs_token=api.guard.needs_token)
    return await overview.status_page(app.core, problems, door, is_ready=app.ready)

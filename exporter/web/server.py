"""Serves an aiohttp application on a listen address and hands back a handle to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, cast

import msgspec
from aiohttp import hdrs, web

from exporter.web.addresses import Address, UnixAddress
from exporter.web.entrance import Entrance
from exporter.web.sockets import BACKLOG, bound_socket, identity, reason

if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext

_GRACE_SECONDS: Final = 1.0
"""How long answers under way may still take when the listener closes."""


class ListenError(Exception):
    """An address that cannot be listened on; the text names it, its flag and the reason."""


class Server(msgspec.Struct, frozen=True):
    """A running server; its `url` has no slash at the end, and is `unix:` and the path at a Unix socket."""

    url: str
    address: Address | UnixAddress
    """Where it listens, with the port that it got."""
    _listening: asyncio.AbstractServer | Entrance
    _runner: web.AppRunner
    _identity: tuple[int, int] | None = None
    """Of its Unix socket."""

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment, close every connection."""
        if isinstance(self.address, UnixAddress) and identity(self.address.path) == self._identity:
            with contextlib.suppress(OSError):  # where it may not be removed, the next process replaces it
                self.address.path.unlink()
        self._listening.close()
        await self._runner.cleanup()


async def serve(
    app: web.Application,
    address: Address | UnixAddress,
    flag: str,
    context: Callable[[], SSLContext | None] | None = None,
) -> Server:
    """Serve `app` on `address`, hardened; `flag` is where the user set it, for the ListenError.

    `context`, if given, is asked for the TLS of each new connection; it may return None.
    """
    try:
        sock = await asyncio.to_thread(bound_socket, address)
    except OSError as error:
        raise ListenError(f"cannot listen on {address} ({flag}): {reason(error)}") from error
    app.on_response_prepare.append(_harden)
    # No access log: it would put paths and query strings of strangers into the log.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    application = cast("Callable[[], asyncio.Protocol]", runner.server)
    loop = asyncio.get_running_loop()
    if isinstance(address, UnixAddress):
        at_path = await loop.create_unix_server(application, sock=sock, backlog=BACKLOG)
        return Server(str(address), address, at_path, runner, identity(address.path))
    bound = Address(address.host, sock.getsockname()[1])
    reached = Address("localhost", bound.port) if address.is_every_interface else bound
    if context is None:
        listening = await loop.create_server(application, sock=sock, backlog=BACKLOG)
        return Server(f"http://{reached}", bound, listening, runner)
    scheme = "http" if context() is None else "https"
    return Server(f"{scheme}://{reached}", bound, Entrance(sock, application, context), runner)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    """Name no software versions, and let no browser guess another type."""
    response.headers[hdrs.SERVER] = "smsbat-exporter"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"

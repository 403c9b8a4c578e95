"""Serves an aiohttp application on a listen address and hands back a handle to it."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Final

import msgspec
from aiohttp import hdrs, web

from exporter.web.addresses import Address

_BACKLOG: Final = 4096
"""Connections that may wait to be accepted, where the system allows it: one too many tries again after a second."""
_GRACE_SECONDS: Final = 1.0
"""How long answers under way may still take when the listener closes."""


class ListenError(Exception):
    """An address that cannot be listened on; the text names it, its flag and the reason."""


class Server(msgspec.Struct, frozen=True):
    """A running server; its `url` has no slash at the end."""

    url: str
    port: int
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment, close every connection."""
        await self._runner.cleanup()


async def serve(app: web.Application, address: Address, flag: str) -> Server:
    """Serve `app` on `address`, hardened; `flag` is where the user set it, for the ListenError."""
    try:
        sock = await asyncio.to_thread(_bound_socket, address)
    except OSError as error:
        raise ListenError(f"cannot listen on {address} ({flag}): {_reason(error)}") from error
    app.on_response_prepare.append(_harden)
    # No access log: it would put paths and query strings of strangers into the log.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    await web.SockSite(runner, sock, backlog=_BACKLOG).start()
    port = sock.getsockname()[1]
    host = "localhost" if address.is_every_interface else address.host
    return Server(f"http://{Address(host, port)}", port, runner)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    """Name no software versions, and let no browser guess another type."""
    response.headers[hdrs.SERVER] = "smsbat-exporter"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"


def _bound_socket(address: Address) -> socket.socket:
    """One listening socket; for every interface it takes IPv6 and IPv4, where the machine has both."""
    if address.is_every_interface:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", address.port), family=family, dualstack_ipv6=dual)
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name with both kinds of address means IPv4, as in Go.
    family, _, _, _, name = min(found, key=lambda info: info[0] != socket.AF_INET)
    return socket.create_server(name, family=family)


def _reason(error: OSError) -> str:
    """Give the system's words alone: `create_server` adds the address to them."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)

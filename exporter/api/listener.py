"""The API listener's paths and its start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from exporter.api.guards import Guard, is_loopback
from exporter.api.messages import Backend, Messages
from exporter.api.receiving import LINGERING_SECONDS
from exporter.api.routing import add_routes
from exporter.web.addresses import Address, UnixAddress
from exporter.web.server import ListenError, Server, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.config import Api, Config, SecretReader

FLAG: Final = "--api.listen-address"
_LONGEST_LINE_BYTES: Final = 64 * 1024
"""Of a request's head: what is longer gets aiohttp's own answer, which is no JSON."""


class ApiServer:
    """The running listener."""

    def __init__(self, server: Server, guard: Guard) -> None:
        """Take what listens and who guards it."""
        self.url = server.url
        self.address = server.address
        self.guard = guard
        self._server = server

    def follow(self, api: Api, token: SecretReader | None) -> None:
        """Follow a new configuration and its token."""
        self.guard.follow(api, token)

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment, close every connection."""
        await self._server.close()


async def start(
    backend: Callable[[], Backend | None],
    config: Callable[[], Config],
    address: Address | UnixAddress,
    more: Iterable[web.RouteDef] = (),
) -> ApiServer:
    """Start the API listener; `backend` returns None while the exporter starts, `more` are the relay's routes.

    Raises ListenError when the address cannot be had or must not be used, SecretError when the token cannot be read.
    """
    api = config().api
    refuse_strangers(api, address)
    guard = Guard(api, address.host if isinstance(address, Address) else "localhost")
    return ApiServer(await serve(_application(backend, guard, config, more), address, FLAG), guard)


def refuse_strangers(api: Api, address: Address | UnixAddress) -> None:
    """Raise ListenError when anybody could reach the listener and nobody would have to prove anything."""
    if api.token is None and isinstance(address, Address) and not is_loopback(address.host):
        raise ListenError(
            f"cannot listen on {address} ({FLAG}): anything but loopback and unix:/path/of/a.sock needs "
            "api.token_file, which callers send as X-Exporter-Token"
        )


def _application(
    backend: Callable[[], Backend | None], guard: Guard, config: Callable[[], Config], more: Iterable[web.RouteDef]
) -> web.Application:
    # The relay passes bodies on as they came; the others undo the compression themselves.
    given = {
        "auto_decompress": False,
        "max_line_size": _LONGEST_LINE_BYTES,
        "max_field_size": _LONGEST_LINE_BYTES,
        "lingering_time": LINGERING_SECONDS,
    }
    app = web.Application(handler_args=given)
    messages = Messages(backend)

    async def openapi(_: web.Request) -> web.Response:
        """Describe the API."""
        from exporter.api.openapi import description  # noqa: PLC0415 (few ask)

        return web.Response(body=description(config()), content_type="application/json")

    routes = [
        web.post("/api/v1/messages", messages.track),
        web.get("/api/v1/messages", messages.several),
        web.get("/api/v1/messages/{id}", messages.one),
        web.delete("/api/v1/messages/{id}", messages.stop),
        web.get("/api/v1/openapi.json", openapi),
        *more,
    ]
    add_routes(app, routes, guard.check)
    return app

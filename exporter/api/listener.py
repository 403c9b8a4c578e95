"""The API listener's paths and its start."""

from __future__ import annotations

from collections import defaultdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from aiohttp import hdrs, web

from exporter.api.errors import answering, refusing
from exporter.api.guards import Guard, is_loopback
from exporter.api.messages import Backend, Messages
from exporter.web.server import ListenError, Server, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aiohttp.typedefs import Handler

    from exporter.config import Api
    from exporter.web.addresses import Address

FLAG: Final = "--api.listen-address"


class ApiServer:
    """The running listener."""

    def __init__(self, server: Server, guard: Guard) -> None:
        """Take what listens and who guards it."""
        self.url = server.url
        self.guard = guard
        self._server = server

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment, close every connection."""
        await self._server.close()


async def start(
    backend: Callable[[], Backend | None], api: Api, address: Address, version: str, more: Iterable[web.RouteDef] = ()
) -> ApiServer:
    """Start the API listener; `backend` returns None while the exporter starts, `more` are further routes.

    Raises ListenError when the address cannot be had or must not be used, SecretError when the token cannot be read.
    """
    if api.token is None and not is_loopback(address.host):
        raise ListenError(
            f"cannot listen on {address} ({FLAG}): anything but loopback needs api.token_file, "
            "which callers send as X-Exporter-Token"
        )
    guard = Guard(api, address.host)
    return ApiServer(await serve(_application(backend, guard, version, more), address, FLAG), guard)


def _application(
    backend: Callable[[], Backend | None], guard: Guard, version: str, more: Iterable[web.RouteDef]
) -> web.Application:
    # The relay passes bodies on as they came; the others undo the compression themselves.
    undone = {"auto_decompress": False}
    app = web.Application(handler_args=undone)
    messages = Messages(backend)

    async def openapi(_: web.Request) -> web.Response:
        """Describe the API."""
        from exporter.api.openapi import description  # noqa: PLC0415 (few ask)

        return web.Response(body=description(version), content_type="application/json")

    routes = [
        web.post("/api/v1/messages", messages.track),
        web.get("/api/v1/messages", messages.several),
        web.get("/api/v1/messages/{id}", messages.one),
        web.delete("/api/v1/messages/{id}", messages.stop),
        web.get("/api/v1/openapi.json", openapi),
        *more,
    ]
    for route in [*routes, *_refusals(routes)]:
        handler = answering(cast("Handler", route.handler), guard.check)
        web.RouteDef(route.method, route.path, handler, route.kwargs).register(app.router)
    app.on_response_prepare.append(_harden)
    return app


def _refusals(routes: Iterable[web.RouteDef]) -> Iterator[web.RouteDef]:
    """Yield routes for other methods of known paths, and for all other paths."""
    allowed: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        heads = route.method == hdrs.METH_GET and route.kwargs.get("allow_head", True)
        allowed[route.path] |= {route.method, hdrs.METH_HEAD} if heads else {route.method}
    for path, methods in allowed.items():
        yield web.route("*", path, refusing(HTTPStatus.METHOD_NOT_ALLOWED, Allow=",".join(sorted(methods))))
    yield web.route("*", r"/{path:[\s\S]*}", refusing(HTTPStatus.NOT_FOUND))


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    """Name no software versions, and let no browser guess another type."""
    response.headers[hdrs.SERVER] = "smsbat-exporter"
    response.headers["X-Content-Type-Options"] = "nosniff"

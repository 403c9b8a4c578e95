"""The web listener's paths, for Prometheus, the kubelet and people."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from exporter.web.exposition import Exposition, runtime_collectors
from exporter.web.server import Server, serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from prometheus_client.registry import Collector

    from exporter.web.addresses import Address
    from exporter.web.protection import Protection
    from exporter.web.status import StatusPage

FLAG: Final = "--web.listen-address"
_LONGEST_BODY_BYTES: Final = 16 * 1024
_IDLE_SECONDS: Final = 300.0
"""How long a connection stays open between requests: longer than anybody's scrape interval."""


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What the listener needs to know of the application; all of it is called on the event loop."""

    snapshot: Callable[[], Collector]
    """The committed metrics as of now, which no longer change; without the process's own."""
    problems: Callable[[], Sequence[str]]
    """What is wrong, a line each; empty when nothing is."""
    is_ready: Callable[[], bool]
    """Whether the messages in flight are loaded."""
    reload: Callable[[], Awaitable[Sequence[str]]]
    """Read the configuration again; gives its errors, a line each and without secrets."""
    lifecycle_enabled: bool
    status: Callable[[], Awaitable[StatusPage]]
    """What the status page shows."""


class _Handlers(msgspec.Struct, frozen=True):
    """Every path but /metrics."""

    front: Front

    async def healthy(self, _: web.Request) -> web.Response:
        lines = self.front.problems() or ("smsbat-exporter is healthy",)
        return _text(HTTPStatus.OK, *lines)

    async def ready(self, _: web.Request) -> web.Response:
        if self.front.is_ready():
            return _text(HTTPStatus.OK, "ready")
        return _text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: loading")

    async def reload(self, _: web.Request) -> web.Response:
        if not self.front.lifecycle_enabled:
            return _text(HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled.")
        if errors := await self.front.reload():
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, "failed to reload config:", *errors)
        return _text(HTTPStatus.OK, "reloaded")

    async def status_page(self, _: web.Request) -> web.Response:
        text, policy = await asyncio.to_thread(_written, await self.front.status())
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return web.Response(text=text, content_type="text/html", headers=headers)


def _written(page: StatusPage) -> tuple[str, str]:
    """Write the page in a thread; return it with its Content-Security-Policy."""
    from exporter.web import pages  # noqa: PLC0415 (megabytes of a template engine that only a visitor needs)

    return pages.render(page), pages.CONTENT_SECURITY_POLICY


async def start(front: Front, address: Address, protection: Protection | None = None) -> Server:
    """Start the web listener, protected as the web configuration says; raises ListenError."""
    if protection is None:
        return await serve(_application(front), address, FLAG)
    app = _application(front)
    app.middlewares.append(protection.guard)
    app.on_response_prepare.append(protection.add_headers)
    return await serve(app, address, FLAG, protection.context)


def _application(front: Front) -> web.Application:
    app = web.Application(client_max_size=_LONGEST_BODY_BYTES, handler_args={"keepalive_timeout": _IDLE_SECONDS})
    handlers = _Handlers(front)
    app.router.add_get("/", handlers.status_page)
    app.router.add_get("/metrics", Exposition(front.snapshot, runtime_collectors()).scrape)
    app.router.add_get("/-/healthy", handlers.healthy)
    app.router.add_get("/-/ready", handlers.ready)
    app.router.add_post("/-/reload", handlers.reload)
    app.router.add_put("/-/reload", handlers.reload)
    return app


def _text(status: HTTPStatus, *lines: str) -> web.Response:
    return web.Response(status=status, text="".join(f"{line}\n" for line in lines))

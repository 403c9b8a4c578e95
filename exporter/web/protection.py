"""Lets requests through to the web listener's handlers, or refuses them, as the web configuration says now."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import hdrs, web

from exporter.web import tls
from exporter.web.following import Following
from exporter.web.users import BusyError, Users

if TYPE_CHECKING:
    from pathlib import Path
    from ssl import SSLContext

    from aiohttp.typedefs import Handler

    from exporter.clock import Clock
    from exporter.web.following import Rules

_OPEN: Final = frozenset({"/-/healthy", "/-/ready"})
"""For the kubelet, which has neither a password nor a certificate."""
_CHALLENGE: Final = 'Basic realm="smsbat-exporter", charset="UTF-8"'


class Protection:
    """Who gets in."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Follow the web configuration at the path; raises ConfigError."""
        self._following = Following(path, clock)
        self._users = Users()

    def context(self) -> SSLContext | None:
        """Return the TLS context of connections that come now; None for plain ones."""
        return self._following.current().context

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        return self._following.problems()

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request that has no business here; let the others pass."""
        rules = self._following.current()
        is_open = request.path in _OPEN
        refusal = None if is_open else await self._refusal(request, rules)
        # Who got in keeps the connection, unless it was made before the configuration changed.
        is_last = is_open or refusal is not None or _of_connection(request, "sslcontext") is not rules.context
        try:
            response = await handler(request) if refusal is None else refusal
        except web.HTTPException as answer:
            if is_last:
                answer.force_close()
            raise
        if is_last:
            response.force_close()
        return response

    async def add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Add the configured headers to an answer."""
        for name, value in self._following.rules.config.http_server_config.headers.items():
            response.headers[name] = value

    async def _refusal(self, request: web.Request, rules: Rules) -> web.Response | None:
        server, context = rules.config.tls_server_config, _of_connection(request, "sslcontext")
        if server is not None:
            if context is None:
                return _refused("TLS is needed here")
            # What an authority vouched for counts as long as it is one.
            proven = _of_connection(request, "peercert") if self._following.verifies_as(context) else None
            if tls.refuses(server, proven):
                return _refused("a client certificate that is allowed here is needed")
        hashes = rules.config.basic_auth_users
        if not hashes:
            return None
        try:
            known = await self._users.knows(
                hashes, request.headers.get(hdrs.AUTHORIZATION, ""), lambda: _is_gone(request)
            )
        except BusyError:
            return web.Response(
                status=HTTPStatus.TOO_MANY_REQUESTS, text="try again\n", headers={hdrs.RETRY_AFTER: "1"}
            )
        headers = {hdrs.WWW_AUTHENTICATE: _CHALLENGE}
        return None if known else web.Response(status=HTTPStatus.UNAUTHORIZED, text="Unauthorized\n", headers=headers)


def _refused(why: str) -> web.Response:
    return web.Response(status=HTTPStatus.FORBIDDEN, text=f"{why}\n")


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _of_connection(request: web.Request, name: str) -> Any:  # noqa: ANN401 (whatever the transport keeps under it)
    return None if request.transport is None else request.transport.get_extra_info(name)

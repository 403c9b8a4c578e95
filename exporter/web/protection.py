"""The web configuration at work: who gets in, and over what; read again when one of its files changes."""

from __future__ import annotations

import datetime as dt
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import hdrs, web

from exporter.config import ConfigError
from exporter.config.certificates import Pem, ends_at
from exporter.config.secrets import signature_at
from exporter.config.web_config import load_web_config
from exporter.logs import fields
from exporter.web import tls
from exporter.web.users import Users

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from ssl import SSLContext

    from aiohttp.typedefs import Handler

    from exporter.clock import Clock
    from exporter.config.secrets import Signature
    from exporter.config.web_config import WebConfig

_log: Final = logging.getLogger(__name__)
_OPEN: Final = frozenset({"/-/healthy", "/-/ready"})
"""For the kubelet, which has neither a password nor a certificate."""
_PAUSE_SECONDS: Final = 1.0
"""Between tries to read what cannot be read."""


class _Rules(NamedTuple):
    """What holds now."""

    config: WebConfig
    signatures: Mapping[Path, Signature]
    context: SSLContext | None
    expiries: tuple[tuple[str, float], ...]


class Protection:
    """Lets requests through to the web listener's handlers, or refuses them."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Read the file at the path; raises ConfigError."""
        self._path = path
        self._clock = clock
        self._users = Users()
        self._rules = _read(path)
        self._errors: tuple[str, ...] = ()
        self._tried_at = clock.now()
        self._told: set[str] = set()

    def context(self) -> SSLContext | None:
        """Return the TLS context of connections that come now; None for plain ones."""
        return self._current().context

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each; nothing of what the files hold."""
        now = self._clock.now()
        expired = [
            f"web: {name} expired at {dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}; "
            "put a new one in its file, which is read again"
            for name, at in self._rules.expiries
            if at <= now
        ]
        return [f"web: {error}; the last good web configuration stays in use" for error in self._errors] + expired

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request that has no business here; let the others pass."""
        rules = self._current()
        refusal = None if request.path in _OPEN else await self._refusal(request, rules.config)
        response = await handler(request) if refusal is None else refusal
        if _context_of(request) is not rules.context:
            # It came before the configuration changed; the next one is made as this says.
            response.force_close()
        return response

    async def add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Add the configured headers to an answer."""
        for name, value in self._rules.config.http_server_config.headers.items():
            response.headers[name] = value

    async def _refusal(self, request: web.Request, config: WebConfig) -> web.Response | None:
        if config.tls_server_config is not None and tls.refuses(config.tls_server_config, _certificate_of(request)):
            return web.Response(
                status=HTTPStatus.FORBIDDEN, text="a client certificate that is allowed here is needed\n"
            )
        hashes = config.basic_auth_users
        if hashes and not await self._users.knows(hashes, request.headers.get(hdrs.AUTHORIZATION, "")):
            headers = {hdrs.WWW_AUTHENTICATE: 'Basic realm="smsbat-exporter", charset="UTF-8"'}
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text="Unauthorized\n", headers=headers)
        return None

    def _current(self) -> _Rules:
        """Return what holds, read again if a file has changed: a few `stat` when none has."""
        now = self._clock.now()
        changed = any(signature_at(path) != signature for path, signature in self._rules.signatures.items())
        if (changed or self._errors) and (not self._errors or abs(now - self._tried_at) >= _PAUSE_SECONDS):
            self._read(now)
        for problem in self.problems():
            if problem not in self._told:
                self._told.add(problem)
                _log.warning("the web configuration needs attention", extra=fields(why=problem))
        return self._rules

    def _read(self, now: float) -> None:
        self._tried_at = now
        try:
            self._rules = _read(self._path)
        except ConfigError as error:
            self._errors = tuple(map(str, error.problems))
        else:
            self._errors = ()
            self._told.clear()
            _log.info("the web configuration is read again")


def _read(path: Path) -> _Rules:
    config, signatures = load_web_config(path)
    server = config.tls_server_config
    if server is None:
        return _Rules(config, signatures, None, ())
    return _Rules(config, signatures, tls.context(server), tuple(_expiries(server.cert, server.client_ca)))


def _expiries(chain: Pem | None, authorities: Pem | None) -> list[tuple[str, float]]:
    """Return when a chain breaks, at its first end, and when no client can be verified any more, at the last one."""
    ends = [] if chain is None else [("the certificate", min(ends_at(chain)))]
    return ends if authorities is None else [*ends, ("the client CA", max(ends_at(authorities)))]


def _context_of(request: web.Request) -> SSLContext | None:
    context: SSLContext | None = None if request.transport is None else request.transport.get_extra_info("sslcontext")
    return context


def _certificate_of(request: web.Request) -> Mapping[str, object] | None:
    certificate: Mapping[str, object] | None = (
        None if request.transport is None else request.transport.get_extra_info("peercert")
    )
    return certificate

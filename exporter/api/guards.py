"""Who may use the API listener: the application beside it, and no page of a browser."""

from __future__ import annotations

import hmac
import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs

from exporter.api.errors import RefusedError
from exporter.config.secrets import SecretReader

if TYPE_CHECKING:
    from aiohttp import web

    from exporter.config import Api

TOKEN_HEADER: Final = "X-Exporter-Token"  # noqa: S105


class Guard:
    """Lets requests pass or refuses them; follows the configuration and the token's file."""

    def __init__(self, api: Api, own_host: str) -> None:
        """Take what the configuration says, and the host that is listened on; raises SecretError."""
        self._own_host = own_host.strip("[]").lower()
        self.follow(api, token_of(api))

    def follow(self, api: Api, token: SecretReader | None) -> None:
        """Follow a new configuration and its token."""
        self._token = token
        self._hosts = frozenset({"localhost", self._own_host, *map(str.lower, api.allowed_hosts)})

    @property
    def needs_token(self) -> bool:
        """Whether callers have to send a token."""
        return self._token is not None

    def check(self, request: web.Request) -> None:
        """Let a request pass, or raise RefusedError."""
        if hdrs.ORIGIN in request.headers:
            raise RefusedError(HTTPStatus.FORBIDDEN, "origin", "this listener is for programs, not for pages")
        if not self._is_own(request):
            text = "the Host header is not this listener's; allow it by api.allowed_hosts"
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "host", text)
        if self._token is not None and not self._has_token(request, self._token.current()):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "token", f"send the token as {TOKEN_HEADER}")

    def _has_token(self, request: web.Request, token: str) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())

    def _is_own(self, request: web.Request) -> bool:
        """A name that an attacker's DNS points here would be another's: only known ones pass."""
        host = request.headers.get(hdrs.HOST, "").lower()
        if host in self._hosts:
            return True
        name = _without_port(host)
        return name in self._hosts or _is_address_of(name, request)


def token_of(api: Api) -> SecretReader | None:
    """Return the token that a configuration asks for, None for none; raises SecretError when it cannot be read."""
    return None if api.token is None else SecretReader(api.token)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host


def _is_address_of(name: str, request: web.Request) -> bool:
    """Whether a host is the very address that the connection came to, or the loopback one."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    own = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return address.is_loopback or (isinstance(own, tuple) and name == own[0].removeprefix("::ffff:"))


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach a listener on this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

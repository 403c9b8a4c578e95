"""Asks the exporter on this machine how it is, where an image has no curl to ask with."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.web.addresses import Address

_SECONDS: Final = 5.0
_LONGEST_BYTES: Final = 64 * 1024
_PATH: Final = "/-/healthy"


def health(address: Address, say: Callable[[str], None]) -> int:
    """Print what /-/healthy of the web listener says; returns 0 when it answers 200, else 1."""
    host = "127.0.0.1" if address.is_every_interface else address.host
    try:
        try:
            status, body = _asked(http.client.HTTPConnection(host, address.port, timeout=_SECONDS))
        except (http.client.HTTPException, ConnectionResetError):
            status, body = _asked(_over_tls(host, address.port))
    except (OSError, http.client.HTTPException) as error:
        say(f"nobody answers on {address}: {_reason(error)}")
        return 1
    say(body.rstrip("\n"))
    return 0 if status == http.client.OK else 1


def _asked(connection: http.client.HTTPConnection) -> tuple[int, str]:
    try:
        connection.request("GET", _PATH)
        answer = connection.getresponse()
        text = answer.read(_LONGEST_BYTES).decode(errors="replace")
        return answer.status, "".join(each for each in text if each.isprintable() or each == "\n")
    finally:
        connection.close()


def _over_tls(host: str, port: int) -> http.client.HTTPSConnection:
    """Nothing secret is sent, and its own certificate need not be for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=context)


def _reason(error: Exception) -> str:
    words = error.strerror if isinstance(error, OSError) else None
    return words or "no answer that is HTTP, nor over TLS"

"""Which headers go out to SMSBat with a relayed request, and which come back with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from multidict import CIMultiDict, MultiMapping

from exporter.intake.wire import valid_traceparent

CREDENTIALS: Final = ("Authorization", "X-Authorization-Key")
LABELS: Final = "X-Smsbat-Labels"
"""Ours: labels of the messages of a send, not forwarded."""

_OUT: Final = ("Content-Type", "Content-Encoding", "Accept", "traceparent", *CREDENTIALS)
_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_NOT_BACK: Final = _HOP_BY_HOP | {"content-length", "set-cookie", "set-cookie2"}
"""The length is written anew; a cookie of SMSBat's would be one of the exporter's host."""


def outgoing(received: MultiMapping[str]) -> CIMultiDict[str]:
    """Return what SMSBat gets to see of a request's headers, the caller's credentials included."""
    dropped = _named_by_connection(received)
    return CIMultiDict(
        (name, value) for name in _OUT if name.lower() not in dropped for value in received.getall(name, ())
    )


def credentials_in(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """Return the headers that say who is asking."""
    return CIMultiDict((name, value) for name in CREDENTIALS for value in headers.getall(name, ()))


def coming_back(answered: MultiMapping[str]) -> CIMultiDict[str]:
    """Return what the caller gets to see of the headers of SMSBat's answer: all that are meant for both ends."""
    dropped = _NOT_BACK | _named_by_connection(answered)
    return CIMultiDict((name, value) for name, value in answered.items() if name.lower() not in dropped)


def _named_by_connection(headers: MultiMapping[str]) -> frozenset[str]:
    """Return the headers that are for the next hop only, because the sender says so."""
    return frozenset(
        word.strip().lower() for value in headers.getall("Connection", ()) for word in value.split(",") if word.strip()
    )


def traceparent_in(received: MultiMapping[str]) -> str | None:
    """Return the W3C traceparent of a request, None when there is none, more than one, or no proper one."""
    values = received.getall("traceparent", ())
    return valid_traceparent(values[0]) if len(values) == 1 else None


def labels_in(received: MultiMapping[str]) -> Mapping[str, str]:
    """Return the labels that a caller gives the messages of a send, as in `campaign=spring,team=red`."""
    pairs = [part.partition("=") for line in received.getall(LABELS, ()) for part in line.split(",")]
    return {_text(name): _text(value) for name, separator, value in pairs if separator and name.strip()}


def _text(word: str) -> str:
    """Bytes that are no UTF-8 come as lone surrogates, which no database takes."""
    return word.strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace")

"""Reads the body of a request that brings messages: one, a list, a wrapped list, or the answer of a send call."""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.api.errors import RefusedError
from exporter.api.receiving import whole_body
from exporter.intake.wire import UnusableError, WireMessage, offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from exporter.admission import Offer

LONGEST_BODY_BYTES: Final = 8 * 1024 * 1024
_LONGEST_SHOWN: Final = 200


class Sent(msgspec.Struct, frozen=True):
    """An entry of the send call's answer: SMSBat says whether it took the message; further fields are ignored."""

    messageId: str | None = None  # noqa: N815 (SMSBat's name)
    status: str | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    messages: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Rejection(msgspec.Struct, frozen=True, rename="camel"):
    """A message that is not tracked, and why."""

    index: int
    message_id: str | None
    error: str


class Batch(msgspec.Struct):
    """The messages of one request: those to offer with their places in it, and those that cannot be."""

    offers: list[Offer]
    places: list[int]
    rejected: list[Rejection]
    unsent: int = 0
    """How many SMSBat itself did not accept; they are among the rejected."""


_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_wrapped: Final = msgspec.json.Decoder(_Wrapped).decode
_decode_sent: Final = msgspec.json.Decoder(Sent).decode
_decode_message: Final = msgspec.json.Decoder(WireMessage).decode
_decode_messages: Final = msgspec.json.Decoder(list[WireMessage]).decode
_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STATUS: Final = b'"status"'


async def read(request: web.Request) -> bytes:
    """Return the whole body, decompressed; raises RefusedError."""
    if request.content_type != "application/json":
        text = "send the body as Content-Type: application/json"
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type", text)
    return await whole_body(request, LONGEST_BODY_BYTES)


def batch_in(body: bytes, first_account: str, traceparent: str | None) -> Batch:
    """Return the messages in a body; raises RefusedError when the body as a whole cannot be used."""
    batch = Batch([], [], [])
    for index, entry in enumerate(_entries(body)):
        _add(batch, index, entry, first_account, traceparent)
    return batch


def _entries(body: bytes) -> Sequence[WireMessage | msgspec.Raw]:
    """Return the messages, or when one of them cannot be decoded as such, all of them as they came."""
    try:
        entries: bytes | msgspec.Raw = body
        if body.lstrip()[:1] != b"[":
            wrapped = _decode_wrapped(body)
            if wrapped.messages is msgspec.UNSET:
                return [msgspec.Raw(body)]
            entries = wrapped.messages
        if _STATUS not in body:
            # One by one takes three times as long.
            with suppress(*_UNDECODABLE):
                return _decode_messages(entries)
        return _decode_list(entries)
    except _UNDECODABLE as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "body", f"the body cannot be used: {_told(error)}") from None


def _add(
    batch: Batch, index: int, entry: WireMessage | msgspec.Raw, first_account: str, traceparent: str | None
) -> None:
    message_id = None
    try:
        if isinstance(entry, msgspec.Raw):
            if _STATUS in bytes(entry):
                sent = _decode_sent(entry)
                message_id = sent.messageId
                if sent.status is not None and sent.status.strip().lower() != "accepted":
                    batch.unsent += 1
                    batch.rejected.append(Rejection(index, shown_id(message_id), "SMSBat did not accept it"))
                    return
            entry = _decode_message(entry)
        message_id = entry.messageId
        made = offer(entry, first_account, traceparent)
    except (*_UNDECODABLE, UnusableError) as error:
        batch.rejected.append(Rejection(index, shown_id(message_id), _told(error)))
        return
    batch.offers.append(made)
    batch.places.append(index)


def _told(error: Exception) -> str:
    """Return what is wrong in words that quote nothing."""
    return str(error) if isinstance(error, (msgspec.DecodeError, UnusableError)) else "not UTF-8, or nested too deeply"


def shown_id(message_id: str | None) -> str | None:
    """Return an id as it may be told back to the caller, who may have sent anything."""
    return None if message_id is None else message_id[:_LONGEST_SHOWN]

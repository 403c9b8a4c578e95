"""Reads the body of a request that brings messages: one, a list, a wrapped list, or the answer of a send call."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.api.errors import RefusedError
from exporter.intake.wire import UnusableError, WireMessage, offer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp import web

    from exporter.admission import Offer

LONGEST_BODY_BYTES: Final = 8 * 1024 * 1024
_SLOWEST_SECONDS: Final = 10.0
_LONGEST_SHOWN: Final = 200


class Sent(msgspec.Struct, frozen=True):
    """An entry of the send call's answer: SMSBat says whether it took the message; further fields are ignored."""

    messageId: str | None = None  # noqa: N815 (SMSBat's name)
    status: str | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    messages: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


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


async def read(request: web.Request) -> bytes:
    """Return the whole body, decompressed; raises RefusedError, aiohttp's 413 for a large one."""
    if request.content_type != "application/json":
        text = "send the body as Content-Type: application/json"
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type", text)
    try:
        async with asyncio.timeout(_SLOWEST_SECONDS):
            return await request.read()
    except TimeoutError:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "slow", "the body took longer than 10 s") from None


def batch_in(body: bytes, first_account: str, traceparent: str | None) -> Batch:
    """Return the messages in a body; raises RefusedError when the body as a whole cannot be used."""
    batch = Batch([], [], [])
    for index, raw in enumerate(_entries(body)):
        _add(batch, index, raw, first_account, traceparent)
    return batch


def _entries(body: bytes) -> Sequence[msgspec.Raw]:
    try:
        if body.lstrip()[:1] == b"[":
            return _decode_list(body)
        wrapped = _decode_wrapped(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "body", f"the body cannot be used: {_told(error)}") from None
    return [msgspec.Raw(body)] if wrapped.messages is msgspec.UNSET else wrapped.messages


def _add(batch: Batch, index: int, raw: msgspec.Raw, first_account: str, traceparent: str | None) -> None:
    message_id = None
    try:
        if b'"status"' in bytes(raw):
            sent = _decode_sent(raw)
            message_id = shown_id(sent.messageId)
            if sent.status is not None and sent.status.strip().lower() != "accepted":
                batch.unsent += 1
                batch.rejected.append(Rejection(index, message_id, "SMSBat did not accept it"))
                return
        wire = _decode_message(raw)
        message_id = shown_id(wire.messageId)
        made = offer(wire, first_account)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnusableError) as error:
        batch.rejected.append(Rejection(index, message_id, _told(error)))
        return
    if made.traceparent is None and traceparent is not None:
        made = msgspec.structs.replace(made, traceparent=traceparent)
    batch.offers.append(made)
    batch.places.append(index)


def _told(error: Exception) -> str:
    """Return what is wrong in words that quote nothing."""
    return str(error) if isinstance(error, (msgspec.DecodeError, UnusableError)) else "not UTF-8, or nested too deeply"


def shown_id(message_id: str | None) -> str | None:
    """Return an id as it may be told back to the caller, who may have sent anything."""
    return None if message_id is None else message_id[:_LONGEST_SHOWN]

"""Turns a webhook's bytes into what it says about which message."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.api.errors import RefusedError
from exporter.claims import Moment, Notice
from exporter.config.timestamps import parse_timestamp
from exporter.message import MESSAGE_ID
from exporter.reading import amount, id_text

if TYPE_CHECKING:
    from exporter.reading import StatusWords

LONGEST_BODY_BYTES: Final = 64 * 1024


class _Wire(msgspec.Struct, gc=False):
    """The documented fields; SMSBat adds others without notice."""

    messageId: str | int  # noqa: N815 (SMSBat's name)
    deliverystatus: str
    timestamp: str | float | None = None
    cost: Decimal | None = None


_decode: Final = msgspec.json.Decoder(_Wire).decode


def notice_in(body: bytes, words: StatusWords) -> tuple[str, Notice]:
    """Return a message's id and what is said about it; raises RefusedError in words that quote nothing."""
    try:
        wire = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        told = (
            str(error) if isinstance(error, msgspec.DecodeError) else "not UTF-8, nested too deeply, or a huge number"
        )
        raise RefusedError(HTTPStatus.BAD_REQUEST, "body", f"the body cannot be used: {told}") from None
    message_id = id_text(wire.messageId)
    if not MESSAGE_ID.fullmatch(message_id):
        text = "the message id must match [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "message_id", text)
    cost = None if wire.cost is None or not wire.cost.is_finite() else amount(wire.cost, [])
    return message_id, Notice(words.status(wire.deliverystatus), _moment(wire.timestamp), cost)


def _moment(written: str | float | None) -> Moment | None:
    """Return a time with what its spelling leaves open: without a fraction it may be anywhere in its second."""
    try:
        return Moment(parse_timestamp(str(written)), 0.0 if "." in str(written) else 1.0)
    except ValueError:
        return None

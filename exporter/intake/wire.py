"""A message as callers write it in JSON, and what is offered to the tracker for it."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from exporter.admission import FURTHEST_SECONDS, Offer
from exporter.config.timestamps import parse_timestamp
from exporter.message import MESSAGE_ID

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

MessageId = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{MESSAGE_ID.pattern}$"})]
"""Only described here: admission checks it, so that one error stands for every way in."""
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
Ttl = Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": FURTHEST_SECONDS})]


class UnusableError(ValueError):
    """Something that is no message; the text says why in words that quote nothing of it."""


class WireMessage(msgspec.Struct, frozen=True):
    """A message of `POST /api/v1/messages`, or a line of a file (contract section 4); what else is there is ignored."""

    messageId: MessageId
    account: str | None = None
    """None: the first account."""
    channel: str | None = None
    sentAt: Time | None = None
    """RFC 3339, with its offset; None: now."""
    ttl: Ttl | None = None
    """Seconds."""
    labels: dict[str, str] | None = None
    traceparent: str | None = None


def offer(wire: WireMessage, first_account: str, traceparent: str | None = None) -> Offer:
    """Return what is offered; raise UnusableError for a send time that is none. The rest is for admission to judge.

    `traceparent` is that of a message that has no valid one of its own.
    """
    return Offer(
        id=wire.messageId,
        account=first_account if wire.account is None else wire.account,
        channel=wire.channel,
        sent_at=None if wire.sentAt is None else _sent_at(wire.sentAt),
        ttl=wire.ttl,
        labels=wire.labels or {},
        traceparent=valid_traceparent(wire.traceparent) or traceparent,
    )


def valid_traceparent(text: str | None) -> str | None:
    """Return a W3C traceparent, or None for what is none: a trace is no reason to refuse a message."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) is not None else None


def _sent_at(text: str) -> float:
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise UnusableError(f"sentAt {error}") from None

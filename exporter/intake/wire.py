"""A message as callers write it, in a request's body or on a line of a file."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from exporter.admission import Offer
from exporter.config.timestamps import parse_timestamp
from exporter.message import MESSAGE_ID

_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

MessageId = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": f"^{MESSAGE_ID.pattern}$"})]
Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class UnusableError(Exception):
    """A message that cannot be tracked as it is written; the text says what to change, and quotes nothing."""


class WireMessage(msgspec.Struct, frozen=True):
    """One message to track; unknown fields are ignored."""

    messageId: MessageId  # noqa: N815 (the API's name)
    account: str | None = None
    """The first of the configuration when missing."""
    channel: str | None = None
    sentAt: Time | None = None  # noqa: N815 (the API's name)
    """RFC 3339; now when missing."""
    ttl: float | None = None
    """Seconds."""
    labels: dict[str, str] | None = None
    traceparent: str | None = None


def offer(wire: WireMessage, first_account: str) -> Offer:
    """Return what is offered for tracking; raises UnusableError."""
    return Offer(
        id=wire.messageId,
        account=wire.account or first_account,
        channel=wire.channel,
        sent_at=_sent_at(wire.sentAt),
        ttl=wire.ttl,
        labels=wire.labels or {},
        traceparent=parent_in(wire.traceparent),
    )


def _sent_at(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise UnusableError(f"sentAt {error}") from None


def parent_in(text: str | None) -> str | None:
    """Return a W3C traceparent that can be used, None for any other text."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None

"""What is known of a message that is waited for, under the names of `GET /api/v1/messages/{id}`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from exporter.message import Message, Outcome
from exporter.records import Finished
from exporter.store import FinishedRow

# An exporter answers with such words and no others; they are shown on a terminal.
_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
_Time = Annotated[str, msgspec.Meta(pattern=r"^[0-9TZtz:.+-]{1,64}$")]
_decode: Final = msgspec.json.Decoder(Finished).decode


class Bounds(msgspec.Struct, frozen=True, rename="camel"):
    """The interval that something lies in for certain, in seconds."""

    lower_bound: float
    upper_bound: float


class Report(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One message; null is what is not known, or not yet."""

    message_id: _Word
    account: _Word | None = None
    channel: _Word | None = None
    status: _Word = "accepted"
    final: bool = False
    """It ended."""
    outcome: _Word | None = None
    sent_at: _Time | None = None
    accepted_at: _Time | None = None
    finished_at: _Time | None = None
    polls: int = 0
    parts_count: int | None = None
    cost: Decimal | None = None
    currency: _Word | None = None
    rate: Decimal | None = None
    fallback_used: bool | None = None
    via: _Word | None = None
    time_to_delivery: Bounds | None = None
    trace_id: _Word | None = None

    @property
    def delivered(self) -> bool:
        """Whether it ended as one should."""
        return self.outcome == Outcome.DELIVERED.value


def of_message(message: Message) -> Report:
    """Return what is known of a message in flight."""
    return Report(
        message_id=message.id,
        account=message.account,
        channel=message.channel,
        # A final answer whose group is not stored yet has not ended it.
        status="processing" if message.status.final else message.status.label,
        sent_at=_rfc_3339(message.sent_at),
        accepted_at=_rfc_3339(message.accepted_at),
        polls=message.polls,
    )


def of_finished(row: FinishedRow) -> Report:
    """Return what is remembered of a message that ended, whose send time nobody told.

    One that had ended when it was first asked about may have done so at any time before: its time is not known.
    """
    body = _decode(row.body)
    delivered = body.outcome == Outcome.DELIVERED.value
    timed = delivered and body.lower_seconds and body.upper_seconds
    return Report(
        message_id=row.id,
        account=row.account,
        channel=body.channel,
        status=body.status,
        final=True,
        outcome=body.outcome,
        sent_at=_rfc_3339(body.sent_at),
        accepted_at=_rfc_3339(body.accepted_at),
        finished_at=_rfc_3339(row.finished_at),
        polls=body.polls,
        parts_count=body.parts,
        cost=None if body.cost is None else Decimal(body.cost),
        currency=None if body.cost is None else body.currency,
        rate=None if body.rate is None else Decimal(body.rate),
        fallback_used={"used": True, "unused": False, "none": False}.get(body.fallback or ""),
        via=body.via if delivered else None,
        time_to_delivery=Bounds(body.lower_seconds or 0.0, body.upper_seconds or 0.0) if timed else None,
    )


def _rfc_3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

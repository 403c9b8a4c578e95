"""What is known of a message that is waited for, under the names of `GET /api/v1/messages/{id}`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec

from exporter import knowledge
from exporter.knowledge import Bounds, Known
from exporter.message import Message, Outcome
from exporter.store import FinishedRow

# An exporter answers with such words and no others; they are shown on a terminal.
_Word = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
_Time = Annotated[str, msgspec.Meta(pattern=r"^[0-9TZtz:.+-]{1,64}$")]


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
    return _report(knowledge.of_message(message))


def of_finished(row: FinishedRow) -> Report:
    """Return what is remembered of a message that ended, whose send time nobody told.

    One that had ended when it was first asked about may have done so at any time before: its time is not known.
    """
    report = _report(knowledge.of_finished(row))
    bounds = report.time_to_delivery
    return report if bounds is None or bounds.lower_bound else msgspec.structs.replace(report, time_to_delivery=None)


def _report(known: Known) -> Report:
    return Report(**msgspec.structs.asdict(known))

"""What is known about a message, in flight or finished, as callers are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from exporter.columns import ENDED
from exporter.message import Message, Outcome
from exporter.records import Finished, shown_trace_id
from exporter.store import FinishedRow, Store
from exporter.store.sharing import Sharing
from exporter.store.writer import Writer
from exporter.tracker import Tracker

_STORED_WITHIN_SECONDS: Final = 5.0
_decode: Final = msgspec.json.Decoder(Finished).decode

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]


class Bounds(msgspec.Struct, frozen=True, rename="camel"):
    """The interval that polling proves, in seconds from the send time."""

    lower_bound: float
    upper_bound: float


class Known(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A message as the API describes it; null is what is not known, or not yet."""

    message_id: str
    account: str
    channel: str
    status: str
    final: bool
    """It ended, and that is stored."""
    outcome: str | None = None
    sent_at: Time
    accepted_at: Time
    finished_at: Time | None = None
    polls: int
    parts_count: int | None = None
    cost: Decimal | None = None
    currency: str | None = None
    rate: Decimal | None = None
    fallback_used: bool | None = None
    via: str | None = None
    time_to_delivery: Bounds | None = None
    """From the send time to delivery; null for what was not delivered."""
    trace_id: str | None = None


class Knowledge:
    """Looks a message up wherever it may be."""

    def __init__(self, tracker: Tracker, writer: Writer, accounts: Callable[[], Sequence[str]]) -> None:
        """Take who tracks, who stores, and the names of the accounts there are."""
        self._tracker = tracker
        self._finished = Sharing(writer, _finished)
        self._accounts = accounts

    async def of(self, message_id: str, account: str | None = None) -> list[Known]:
        """Return what is known, one for each account that knows the id; raises StoreError when that cannot be told."""
        accounts = self._accounts() if account is None else (account,)
        for name in accounts:
            await self._ending_stored(name, message_id)
        in_flight = self._tracker.in_flight
        found = {name: slot for name in accounts if (slot := in_flight.find(name, message_id)) is not None}
        known = [of_message(in_flight.get(slot)) for slot in found.values()]
        if others := [name for name in accounts if name not in found]:
            keys = [(name, message_id) for name in others]
            finished = await self._finished.of(keys)
            known.extend(finished[key] for key in keys if key in finished)
        return known

    async def _ending_stored(self, account: str, message_id: str) -> None:
        """Wait for an end that is about to be stored: until then it is not known."""
        slot = self._tracker.in_flight.find(account, message_id)
        if slot is not None and self._tracker.in_flight.columns.has(slot, ENDED):
            await self._tracker.wait(account, message_id, _STORED_WITHIN_SECONDS)


def _finished(store: Store, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Known]:
    """Look messages up that ended; thousands may have waited for the same one."""
    return {key: of_finished(row) for key in keys if (row := store.finished(*key)) is not None}


def of_message(message: Message) -> Known:
    """Return what is known of a message in flight."""
    final = message.status.final
    return Known(
        message_id=message.id,
        account=message.account,
        channel=message.channel,
        # An end that the store does not take is none yet.
        status="processing" if final else message.status.label,
        final=False,
        sent_at=rfc_3339(message.sent_at),
        accepted_at=rfc_3339(message.accepted_at),
        polls=message.polls,
        trace_id=shown_trace_id(message),
    )


def of_finished(row: FinishedRow) -> Known:
    """Return what is remembered of a message that ended, or was abandoned."""
    body = _decode(row.body)
    delivered = body.outcome == Outcome.DELIVERED.value
    bounds = delivered and body.lower_seconds is not None and body.upper_seconds is not None
    return Known(
        message_id=row.id,
        account=row.account,
        channel=body.channel,
        status=body.status,
        final=True,
        outcome=body.outcome,
        sent_at=rfc_3339(body.sent_at),
        accepted_at=rfc_3339(body.accepted_at),
        finished_at=rfc_3339(row.finished_at),
        polls=body.polls,
        parts_count=body.parts,
        cost=_number(body.cost),
        currency=None if body.cost is None else body.currency,
        rate=_number(body.rate),
        fallback_used={"used": True, "unused": False, "none": False}.get(body.fallback or ""),
        via=body.via if delivered else None,
        trace_id=body.trace_id,
        time_to_delivery=Bounds(body.lower_seconds or 0.0, body.upper_seconds or 0.0) if bounds else None,
    )


def rfc_3339(at: float) -> str:
    """Return a moment as RFC 3339 writes it, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)

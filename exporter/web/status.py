"""What the status page shows, as plain values: only what is stored, nothing secret, no phone number."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec


class Money(msgspec.Struct, frozen=True):
    """An exact amount."""

    amount: Decimal
    currency: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that reached their mature age in the window, by what they were then."""

    delivered: int = 0
    failed: int = 0
    pending: int = 0
    unknown: int = 0

    @property
    def known(self) -> int:
        """Those that the delivery rate counts."""
        return self.delivered + self.failed + self.pending

    @property
    def ratio(self) -> float | None:
        """The delivery rate; None when there is nothing to measure."""
        return self.delivered / self.known if self.known else None


class ChannelRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel of an account did in the window."""

    account: str
    channel: str
    judged: Judged
    fallback_ratio: float | None
    """Share of those that ended with a fallback used, of those with one configured."""
    costs: tuple[Money, ...]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour, or whatever `window` says."""

    seconds: float
    judged: Judged
    fallback_ratio: float | None
    costs: tuple[Money, ...]
    channels: tuple[ChannelRow, ...]


class InFlightRow(msgspec.Struct, frozen=True, kw_only=True):
    """The messages in flight of a channel of an account; `by_status` is in the order of the page's `statuses`."""

    account: str
    channel: str
    by_status: tuple[int, ...]


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """One account: its health, and what it may ask."""

    name: str
    up: bool
    pauses: tuple[str, ...]
    """Why it makes no ordinary call now: the values of `Pause`."""
    allowed_per_second: float
    asked_per_second: float
    polls_due: int
    last_success_at: float | None


class EndedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message that ended."""

    at: float
    account: str
    id: str
    """Without what could be a phone number in it."""
    channel: str
    outcome: str
    fallback: str | None
    via: str | None
    """The way that delivered it, when a fallback was used."""
    took: tuple[float, float] | None
    """The earliest and the latest that SMSBat can have ended it, in seconds from sending; None when it did not."""
    cost: Money | None


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Everything since the store was new."""

    accepted: int
    abandoned: int
    outcomes: Mapping[str, int]
    costs: tuple[Money, ...]

    @property
    def finished(self) -> int:
        """Those that ended with an outcome."""
        return sum(self.outcomes.values())


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    """What is known once the messages in flight are loaded."""

    at: float
    """When all this was so."""
    window: Window
    totals: Totals
    statuses: tuple[str, ...]
    max_in_flight: int
    in_flight: tuple[InFlightRow, ...]
    """Only channels with a message in flight."""
    accounts: tuple[AccountRow, ...]
    retention_seconds: float
    ended: tuple[EndedRow, ...] | None
    """The last ones, the latest first; None when the store cannot be read."""

    @property
    def by_status(self) -> tuple[int, ...]:
        """All messages in flight, in the order of `statuses`."""
        return tuple(map(sum, zip(*(row.by_status for row in self.in_flight), strict=True))) or (0,) * len(
            self.statuses
        )


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages are handed in."""

    url: str
    """Of the API listener, without a slash at the end."""
    needs_token: bool


class StatusPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page as a whole."""

    version: str
    ready: bool
    problems: tuple[str, ...]
    """What is wrong now, a line each."""
    tracking: Tracking | None
    """None while the messages in flight are being loaded."""
    door: Door | None = None
    """None before the API listener listens."""

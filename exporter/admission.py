"""Lets messages in: checks what is offered, and takes each id of an account once for as long as it is remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from types import MappingProxyType
from typing import Final

import msgspec

from exporter import catalogue as metrics
from exporter.clock import Clock
from exporter.commit import Committer
from exporter.labels import LabelRules
from exporter.message import MESSAGE_ID, Anomaly, Message
from exporter.store.sharing import Sharing
from exporter.store.writer import Writer
from exporter.tracker import Tracker

_SKEW_SECONDS: Final = 5.0
_FURTHEST_SECONDS: Final = 30 * 86_400.0


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A message that somebody wants tracked; `sent_at` is Unix seconds (None: now), `ttl` seconds."""

    id: str
    account: str
    channel: str | None = None
    sent_at: float | None = None
    ttl: float | None = None
    labels: Mapping[str, str] = {}
    traceparent: str | None = None
    listed: bool = False


class Admitted(msgspec.Struct, frozen=True):
    """What became of the offers: how many are new, which were known, and why the rest was refused."""

    accepted: int
    duplicates: tuple[int, ...]
    """The places of offers that are tracked or remembered already."""
    rejected: tuple[tuple[int, str], ...]
    """Place and reason of each."""


SOURCES: Final = ("config", "api", "file", "relay")
"""Where messages come from; the label of `smsbat_exporter_intake_total`."""
RESULTS: Final = ("accepted", "duplicate", "rejected")


class FullError(Exception):
    """As many messages are in flight as the configuration allows; nothing was taken."""


class Admission:
    """The door; contract section 3.1."""

    def __init__(self, tracker: Tracker, rules: LabelRules, committer: Committer, writer: Writer, clock: Clock) -> None:
        """Take those who number, label, track and store."""
        self.accounts: frozenset[str] = frozenset()
        self.max_in_flight = 0
        self.last_seq = 0
        self._tracker = tracker
        self._rules = rules
        self._committer = committer
        self._remembered = Sharing[tuple[str, str], Set[tuple[str, str]]](
            writer, lambda store, keys: store.remembered(keys)
        )
        self._clock = clock

    async def offer(
        self,
        offers: Sequence[Offer],
        source: str,
        *,
        quiet: Callable[[Offer], bool] | None = None,
        positions: Mapping[str, str | None] = MappingProxyType({}),
        unusable: int = 0,
    ) -> Admitted:
        """Take the offers in; returns once all that is accepted is stored.

        Raises FullError when they do not all fit, StoreError when the store cannot be read; then nothing was taken.
        `quiet` says of a duplicate whether it goes uncounted. `positions` is how far the source has been read, stored
        in the same transaction. `unusable` is how many more there were that could not even be offered.
        """
        refused = {place: why for place, offer in enumerate(offers) if (why := self._unusable(offer))}
        find = self._tracker.in_flight.find
        fresh = {
            place: (offer.account, offer.id)
            for place, offer in enumerate(offers)
            if place not in refused and find(offer.account, offer.id) is None
        }
        remembered = await self._remembered.of(fresh.values()) if fresh else frozenset()
        now = self._clock.now()
        new: dict[tuple[str, str], int] = {}
        for place, key in fresh.items():
            if key in remembered or find(*key) is not None:
                continue
            if why := _untimely(offers[place], now):
                refused[place] = why
            else:
                # An earlier one of the same offers may be it.
                new.setdefault(key, place)
        if new and len(self._tracker.in_flight) + len(new) > self.max_in_flight:
            raise FullError
        self._take([offers[place] for place in new.values()], now)
        taken = frozenset(new.values())
        duplicates = tuple(place for place in range(len(offers)) if place not in refused and place not in taken)
        self._count(source, accepted=len(taken), rejected=len(refused) + unusable)
        self._count(source, duplicate=sum(quiet is None or not quiet(offers[place]) for place in duplicates))
        self._committer.changes.positions.update(positions)
        await self._committer.stored()
        return Admitted(len(taken), duplicates, tuple(sorted(refused.items())))

    def _unusable(self, offer: Offer) -> str | None:
        if not MESSAGE_ID.fullmatch(offer.id):
            return "the message id must match [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}"
        if offer.account not in self.accounts:
            return "no such account is configured"
        if offer.ttl is not None and not 0 < offer.ttl <= _FURTHEST_SECONDS:
            return "ttl must be over 0 and at most 30 days"
        return None

    def _take(self, offers: Sequence[Offer], now: float) -> None:
        """Track new messages."""
        if offers:
            first = self.last_seq + 1
            self.last_seq += len(offers)
            self._tracker.track([self._message(offer, now) for offer in offers], first)

    def _message(self, offer: Offer, now: float) -> Message:
        channel = self._rules.words.channel(offer.channel)
        sent_at = now if offer.sent_at is None else offer.sent_at
        if now < sent_at <= now + _SKEW_SECONDS:
            sent_at = now
            self._committer.changes.tally.count(metrics.ANOMALIES, offer.account, Anomaly.FUTURE_SEND_TIME.value)
        return Message(
            id=offer.id,
            account=offer.account,
            channel=channel,
            labels=self._rules.admit(offer.account, channel, offer.labels, now),
            sent_at=sent_at,
            accepted_at=now,
            ttl=math.inf if offer.ttl is None else offer.ttl,
            traceparent=offer.traceparent,
            listed=offer.listed,
        )

    def _count(self, source: str, **results: int) -> None:
        for result, by in results.items():
            if by:
                self._committer.changes.tally.count(metrics.INTAKE, source, result, by=by)


def _untimely(offer: Offer, now: float) -> str | None:
    """Only a message that is new must be of these days: a listed one stays listed as long as its user likes."""
    if offer.sent_at is not None and not -_FURTHEST_SECONDS <= offer.sent_at - now <= _FURTHEST_SECONDS:
        return "the send time must lie within 30 days of now"
    return None

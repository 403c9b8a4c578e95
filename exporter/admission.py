"""Lets messages in: checks what is offered, and takes each id of an account once for as long as it is remembered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

import msgspec

from exporter import catalogue as metrics
from exporter.clock import Clock
from exporter.commit import Committer
from exporter.labels import LabelRules
from exporter.message import MESSAGE_ID, Anomaly, Message
from exporter.store.writer import Writer
from exporter.trace_ids import Sampling
from exporter.tracker import Tracker

_SKEW_SECONDS: Final = 5.0
FURTHEST_SECONDS: Final = 30 * 86_400.0
"""How far from now a send time may be, and how long a ttl."""


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


Key = tuple[str, str]
"""Account and message id."""


class _Asked(msgspec.Struct):
    """A call of `offer` that is under way."""

    offers: Sequence[Offer]
    source: str
    quiet: Callable[[Offer], bool] | None
    positions: Mapping[str, str | None]
    unusable: int
    refused: dict[int, str]
    """Places of offers, and why they are refused."""
    fresh: dict[int, Key]
    """Places and keys of offers that are not in flight."""
    answer: asyncio.Future[Admitted]

    def fail(self, error: BaseException) -> None:
        """Have the call raise an error."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Admission:
    """The door; contract section 3.1.

    Whoever comes while the store is asked about those before them is let in together with all who came meanwhile.
    """

    def __init__(self, tracker: Tracker, rules: LabelRules, committer: Committer, writer: Writer, clock: Clock) -> None:
        """Take those who number, label, track and store."""
        self.accounts: frozenset[str] = frozenset()
        self.max_in_flight = 0
        self.sampling: Sampling | None = None
        """Of which messages traces are made; None while none are."""
        self.last_seq = 0
        self._tracker = tracker
        self._rules = rules
        self._committer = committer
        self._writer = writer
        self._clock = clock
        self._asked: list[_Asked] = []
        """Who came since the last group was closed."""
        self._work: asyncio.Task[None] | None = None

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
        if self._work is None:
            self._work = asyncio.create_task(self._run(), name="admission")
        find, refused, fresh = self._tracker.in_flight.find, dict[int, str](), dict[int, Key]()
        for place, offer in enumerate(offers):
            if why := self._unusable(offer):
                refused[place] = why
            elif find(offer.account, offer.id) is None:
                fresh[place] = (offer.account, offer.id)
        # The loop of a task is at hand; to ask which one runs takes a system call.
        answer: asyncio.Future[Admitted] = self._work.get_loop().create_future()
        self._asked.append(_Asked(offers, source, quiet, positions, unusable, refused, fresh, answer))
        return await answer

    async def _run(self) -> None:
        """Let in group after group, as long as somebody comes."""
        while self._asked:
            group, self._asked = self._asked, []
            admitting = asyncio.create_task(self._admit(group), name="admission of a group")
            await asyncio.wait({admitting})
            if (error := admitting.exception()) is not None:
                # It is theirs: each raises it.
                for asked in group:
                    asked.fail(error)
        self._work = None

    async def _admit(self, group: Sequence[_Asked]) -> None:
        fresh = dict.fromkeys(key for asked in group for key in asked.fresh.values())
        keys = self._committer.recall.may_know(fresh)
        remembered = await self._writer.call(lambda store: store.remembered(keys)) if keys else frozenset[Key]()
        now, new = self._clock.now(), dict[Key, Offer]()
        let_in: list[tuple[_Asked, Admitted]] = []
        for asked in group:
            # Of a call that was given up meanwhile nothing is taken.
            if not asked.answer.done():
                try:
                    let_in.append((asked, self._judge(asked, remembered, new, now)))
                except FullError as error:
                    asked.fail(error)
        self._take(new.values(), now)
        for asked, admitted in let_in:
            self._count(asked, admitted)
            self._committer.changes.positions.update(asked.positions)
        self._committer.tell(lambda: _tell(let_in))

    def _judge(self, asked: _Asked, remembered: AbstractSet[Key], new: dict[Key, Offer], now: float) -> Admitted:
        """Say what becomes of a call's offers, and add those to `new` that are taken; raises FullError."""
        own: dict[Key, int] = {}
        find, refused = self._tracker.in_flight.find, asked.refused
        for place, key in asked.fresh.items():
            if key in remembered or key in new or find(*key) is not None:
                continue
            if why := _untimely(asked.offers[place], now):
                refused[place] = why
            else:
                # An earlier one of the same offers may be it.
                own.setdefault(key, place)
        if own and len(self._tracker.in_flight) + len(new) + len(own) > self.max_in_flight:
            raise FullError
        new.update((key, asked.offers[place]) for key, place in own.items())
        taken = frozenset(own.values())
        if len(taken) == len(asked.offers):
            return Admitted(len(taken), (), ())
        duplicates = [place for place in range(len(asked.offers)) if place not in refused and place not in taken]
        return Admitted(len(taken), tuple(duplicates), tuple(sorted(refused.items())))

    def _unusable(self, offer: Offer) -> str | None:
        if not MESSAGE_ID.fullmatch(offer.id):
            return "the message id must match [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}"
        if offer.account not in self.accounts:
            return "no such account is configured"
        if offer.ttl is not None and not 0 < offer.ttl <= FURTHEST_SECONDS:
            return "ttl must be over 0 and at most 30 days"
        return None

    def _count(self, asked: _Asked, admitted: Admitted) -> None:
        loud = [place for place in admitted.duplicates if asked.quiet is None or not asked.quiet(asked.offers[place])]
        results = {
            "accepted": admitted.accepted,
            "duplicate": len(loud),
            "rejected": len(admitted.rejected) + asked.unusable,
        }
        for result, by in results.items():
            if by:
                self._committer.changes.tally.count(metrics.INTAKE, asked.source, result, by=by)

    def _take(self, offers: Iterable[Offer], now: float) -> None:
        """Track new messages."""
        messages = [self._message(offer, now) for offer in offers]
        if messages:
            self._tracker.track(messages, self.last_seq + 1)
            self.last_seq += len(messages)

    def _message(self, offer: Offer, now: float) -> Message:
        channel = self._rules.words.channel(offer.channel)
        sent_at = now if offer.sent_at is None else offer.sent_at
        if now < sent_at <= now + _SKEW_SECONDS:
            sent_at = now
            self._committer.changes.tally.count(metrics.ANOMALIES, offer.account, Anomaly.FUTURE_SEND_TIME.value)
        labels = self._rules.admit(offer.account, channel, offer.labels, now)
        ttl = math.inf if offer.ttl is None else offer.ttl
        # By position, in the order of the fields: a campaign has thousands.
        message = Message(offer.id, offer.account, channel, sent_at, now, labels, ttl, offer.traceparent, offer.listed)
        if self.sampling is not None and self.sampling.takes(message):
            return msgspec.structs.replace(message, sampled=True)
        return message


def _untimely(offer: Offer, now: float) -> str | None:
    """Only a message that is new must be of these days: a listed one stays listed as long as its user likes."""
    if offer.sent_at is not None and not -FURTHEST_SECONDS <= offer.sent_at - now <= FURTHEST_SECONDS:
        return "the send time must lie within 30 days of now"
    return None


def _tell(let_in: Iterable[tuple[_Asked, Admitted]]) -> None:
    for asked, admitted in let_in:
        if not asked.answer.done():
            asked.answer.set_result(admitted)

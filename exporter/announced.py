"""Keeps what webhooks announced about messages in flight until the API confirms or refutes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.claims import PATIENCE_SECONDS, Claim, Verdict, judge, unconfirmed
from exporter.columns import CLAIMED
from exporter.message import Message, Status, Transition
from exporter.meters import WebhookMeter, WebhookResult

if TYPE_CHECKING:
    from exporter.aging import Aging
    from exporter.commit import Committer
    from exporter.in_flight import InFlight
    from exporter.message import Observation

NOTE: Final = "claim"
_MOST_LATE: Final = 1_000
_decode: Final = msgspec.json.Decoder(Claim).decode


class Announced:
    """The claims, by slot; stored with everything else, so that a restart forgets no webhook."""

    def __init__(self, in_flight: InFlight, committer: Committer, aging: Aging) -> None:
        """Start without any."""
        self.meter = WebhookMeter()
        self._in_flight = in_flight
        self._committer = committer
        self._aging = aging
        self._claims: dict[int, Claim] = {}
        self._late: dict[tuple[str, str, Status], None] = {}
        """Contradictions of ends, in the order in which they came."""

    def load(self, bodies: Mapping[int, str], now: float) -> None:
        """Take back what was stored, by slot; however long the exporter was down, the API is asked first."""
        for slot, body in bodies.items():
            known = _decode(body)
            self._keep(slot, msgspec.structs.replace(known, until=max(known.until, now + PATIENCE_SECONDS)))

    def of(self, slot: int) -> Claim | None:
        """Return what was last announced about a message, refuted or not."""
        return self._claims.get(slot)

    def add(self, slot: int, claim: Claim) -> None:
        """Note an announcement; the message changes when the API has said what is true, or its time is over."""
        self._in_flight.columns.failures[slot] = 0
        if (known := self._claims.get(slot)) is not None:
            claim = msgspec.structs.replace(claim, wrong=known.wrong)
        self._keep(slot, claim)
        self._store(slot, claim)

    def judge(self, slot: int, transition: Transition, observed: Observation) -> Transition:
        """Return what an answer really does to a message whose end is announced."""
        claim = self._claims[slot]
        transition, verdict = judge(transition, claim, observed)
        if verdict is Verdict.CONFIRMED:
            self._settle(slot, WebhookResult.APPLIED)
        elif verdict is Verdict.REFUTED:
            self._settle(slot, WebhookResult.CONTRADICTED)
            self._claims[slot] = refuted = claim.disproved()
            self._store(slot, refuted)
            self._aging.hold(slot, None)
        return transition

    def unconfirmed(self, slot: int, message: Message, now: float) -> Transition:
        """Return the end of a message that the API was asked to confirm for long enough."""
        self._settle(slot, WebhookResult.APPLIED)
        return unconfirmed(message, self._claims[slot], now)

    def leave(self, slot: int) -> bool:
        """Forget a message that is in flight no more; returns whether a webhook had announced its end."""
        if self._claims.pop(slot, None) is None:
            return False
        columns = self._in_flight.columns
        if columns.has(slot, CLAIMED):
            # It was abandoned.
            self._settle(slot, WebhookResult.UNCHANGED)
        self._committer.changes.notes[columns.seq[slot], NOTE] = None
        return True

    def is_new(self, account: str, message_id: str, status: Status) -> bool:
        """Whether a message that ended is contradicted so for the first time, as far as the latest ones tell."""
        said = (account, message_id, status)
        if said in self._late:
            return False
        self._late[said] = None
        if len(self._late) > _MOST_LATE:
            del self._late[next(iter(self._late))]
        return True

    def _keep(self, slot: int, claim: Claim) -> None:
        self._claims[slot] = claim
        if not claim.refuted:
            self._in_flight.columns.mark(slot, CLAIMED)
            self._aging.hold(slot, claim.until)

    def _settle(self, slot: int, result: WebhookResult) -> None:
        """Count a webhook, once what it did is stored."""
        self._in_flight.columns.mark(slot, CLAIMED, on=False)
        account = self._in_flight.cohort(slot).account
        self._committer.changes.then.append(lambda: self.meter.count(account, result))

    def _store(self, slot: int, claim: Claim) -> None:
        seq = self._in_flight.columns.seq[slot]
        self._committer.changes.notes[seq, NOTE] = msgspec.json.encode(claim).decode()
        self._committer.soon()

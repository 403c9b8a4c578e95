"""Does what time alone does to messages: they mature, are taken as announced, and are given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.claims import PATIENCE_SECONDS
from exporter.columns import CLAIMED
from exporter.lifecycle import maturity, unobserved
from exporter.message import Transition

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.tracker import Tracker

_ASKED_WITHIN_SECONDS: Final = 600.0


class Timekeeper:
    """Looks once a second at the messages that have a birthday."""

    def __init__(self, tracker: Tracker, clock: Clock) -> None:
        """Take who changes messages."""
        self._tracker = tracker
        self._aging = tracker.aging
        self._rules = tracker.plan.rules
        self._started_at = clock.now()

    def tick(self, now: float) -> None:
        """Do what is due."""
        for slot in self._aging.tick(now):
            if self._tracker.in_flight.columns.has(slot, CLAIMED):
                self._end_as_announced(slot, now)
                continue
            if self._aging.matures_at(slot) <= now:
                message = self._tracker.in_flight.get(slot)
                self._tracker.mature(slot, maturity(message, now, self._rules.gap_seconds(slot)), now)
            if self._aging.given_up_at(slot) <= now:
                self._give_up(slot, now)
        self._tracker.missed.tick(now)

    def _end_as_announced(self, slot: int, now: float) -> None:
        """Take the webhook's word once the API was asked in vain; a burst waits for its turns, though not for ever."""
        announced, polled_at = self._tracker.announced, self._tracker.in_flight.columns.polled_at[slot]
        claim = announced.of(slot)
        if claim is not None and polled_at < claim.arrived_at and self._rules.place(slot) is not None:
            latest = claim.arrived_at + _ASKED_WITHIN_SECONDS
            if now < latest:
                self._aging.hold(slot, min(now + PATIENCE_SECONDS, latest))
                return
        message = self._tracker.in_flight.get(slot)
        self._tracker.change(slot, message, announced.unconfirmed(slot, message, now))

    def _give_up(self, slot: int, now: float) -> None:
        """End what nobody could be asked about; while the API answers, a message is asked first."""
        place = self._rules.place(slot)
        if place is None:
            self._tracker.abandon(slot)
            return
        unasked_for = now - max(place[0].meter.last_success_at, self._started_at)
        if unasked_for < _ASKED_WITHIN_SECONDS:
            self._aging.postpone(slot, now + _ASKED_WITHIN_SECONDS)
            return
        message = self._tracker.in_flight.get(slot)
        self._tracker.change(slot, message, Transition(message=message, ending=unobserved(message, now)))

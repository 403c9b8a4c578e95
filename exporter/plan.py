"""Where each message waits for its next poll, and what the configuration says of it."""

from __future__ import annotations

import random
from collections.abc import Mapping

import msgspec

from exporter.columns import CLAIMED, Columns
from exporter.desk import Desk
from exporter.in_flight import InFlight
from exporter.lane import Lane
from exporter.lifecycle import Terms, deadline
from exporter.schedule import MIN_GAP_SECONDS, Pace, first_due, gap, next_due, retry_due


class Graces(msgspec.Struct, frozen=True):
    """How long the API is given before it is believed; seconds."""

    not_found_seconds: float
    ttl_seconds: float


class Rules:
    """What the configuration says of each message: who asks about it, how often, and until when."""

    def __init__(self, in_flight: InFlight, graces: Graces, desks: Mapping[str, Desk]) -> None:
        """Take the desks by account name; a message whose account has none is parked."""
        self._in_flight = in_flight
        self.follow(graces, desks)

    def follow(self, graces: Graces, desks: Mapping[str, Desk]) -> None:
        """Follow a new configuration."""
        self.desks = dict(desks)
        self.graces = graces
        self._places: list[tuple[Desk, Lane] | None] = []

    def place(self, slot: int) -> tuple[Desk, Lane] | None:
        """Return the desk and the lane of a message, None for a parked one."""
        number = self._in_flight.columns.cohort[slot]
        while number >= len(self._places):
            cohort = self._in_flight.cohorts[len(self._places)]
            desk = self.desks.get(cohort.account)
            self._places.append(None if desk is None else (desk, desk.lane(cohort.channel)))
        return self._places[number]

    def pace(self, slot: int) -> Pace:
        """Return how a message is polled; all accounts have the same entries, so a parked message's is any desk's."""
        place = self.place(slot)
        if place is not None:
            return place[1].pace
        desk = next(iter(self.desks.values()))
        return desk.lane(self._in_flight.cohort(slot).channel).pace

    def deadline_at(self, slot: int) -> float:
        """Return when a message is asked about for the last time; a parked one is given up then."""
        columns = self._in_flight.columns
        return deadline(columns.sent_at[slot], columns.ttl[slot], self.pace(slot).timeout, self.graces.ttl_seconds)

    def terms(self, slot: int, desk: Desk) -> Terms:
        """Return what besides the message decides about it."""
        return Terms(
            deadline_at=self.deadline_at(slot),
            not_found_grace_seconds=self.graces.not_found_seconds,
            other_found_at=desk.found_at,
            earlier_failures=self._in_flight.columns.failures[slot],
        )

    def gap_seconds(self, slot: int) -> float:
        """Return the gap between polls that a message is in."""
        pace, polled_at = self.pace(slot), self._in_flight.columns.polled_at[slot]
        return gap(pace, polled_at - self._in_flight.columns.sent_at[slot]) if polled_at else pace.first

    def mature_seconds(self, slot: int) -> float:
        """Return the age at which a message is judged for the delivery rate."""
        return self.pace(slot).mature


class Plan:
    """Puts messages into the lanes of their accounts."""

    def __init__(self, rules: Rules, columns: Columns) -> None:
        """Take what the configuration says, and where each message's times stand."""
        self.rules = rules
        self.parked = 0
        """How many messages wait for their account to come back."""
        self._columns = columns
        self._random = random.Random()  # noqa: S311  # nosec B311 - jitter is no secret

    def welcome(self, slot: int, now: float) -> None:
        """Have a message wait for its first poll in this process, and let its poller know."""
        self.enter(slot, now)
        place = self.rules.place(slot)
        if place is not None:
            place[0].wake(self._columns.due_at[slot])

    def enter(self, slot: int, now: float) -> None:
        """Have a message wait for its next poll."""
        place = self.rules.place(slot)
        if place is None:
            self.parked += 1
            return
        desk, lane = place
        desk.queue.enter(slot, lane, max(self._due_at(slot, desk, lane), now), now)

    def _due_at(self, slot: int, desk: Desk, lane: Lane) -> float:
        columns = self._columns
        sent_at, polled_at = columns.sent_at[slot], columns.polled_at[slot]
        aim, deadline_at = desk.budget.answers.aim_seconds, self.rules.deadline_at(slot)
        pace = lane.pace_of(slot)
        if columns.failures[slot]:
            due_at = retry_due(polled_at, columns.failures[slot], self._random.random())
            return due_at if polled_at >= deadline_at else max(min(due_at, deadline_at), polled_at + MIN_GAP_SECONDS)
        if columns.flags[slot] & CLAIMED:
            return polled_at + MIN_GAP_SECONDS
        if not polled_at:
            return min(first_due(pace, sent_at, aim), deadline_at)
        return next_due(pace, sent_at, polled_at, aim, deadline_at)

    def hurry(self, slot: int, flag: int, now: float) -> None:
        """Poll a message sooner: somebody waits for its end (WAITED), or a webhook announced it (CLAIMED)."""
        columns, place = self._columns, self.rules.place(slot)
        columns.mark(slot, flag)
        if place is not None and columns.due_at[slot] >= 0.0:
            desk, lane = place
            desk.queue.hurry(slot, lane, max(self._due_at(slot, desk, lane), now), now)
            desk.wake(now)

    def leave(self, slot: int) -> None:
        """Forget a message that is in flight no more."""
        place = self.rules.place(slot)
        if place is None:
            self.parked -= 1
        else:
            place[0].queue.leave(slot, place[1])

    def relay_out(self, graces: Graces, desks: Mapping[str, Desk]) -> None:
        """Follow a new configuration, before every message is placed anew."""
        self.rules.follow(graces, desks)
        self.parked = 0

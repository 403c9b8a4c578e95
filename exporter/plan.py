"""Where each message waits for its next poll: the desks of the accounts, and what the configuration says of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from exporter.budget import Budget, Limits
from exporter.due import DueQueue, Lane
from exporter.in_flight import Cohort, InFlight
from exporter.lifecycle import Terms, deadline
from exporter.meters import PollMeter
from exporter.schedule import Pace, first_due, gap, next_due, retry_due


class PollingRule(msgspec.Struct, frozen=True):
    """Which channels a polling entry is for (None: all), and how it polls them."""

    channels: frozenset[str] | None
    pace: Pace


class Graces(msgspec.Struct, frozen=True):
    """How long the API is given before it is believed; seconds."""

    not_found_seconds: float
    ttl_seconds: float


class Desk:
    """One account at work: who waits, what it may do now, and how it has done."""

    def __init__(
        self, account: str, limits: Limits, in_flight: InFlight, rules: Sequence[PollingRule], now: float
    ) -> None:
        """Start with nobody waiting."""
        self.account = account
        self.budget = Budget(limits, now)
        self.queue = DueQueue(in_flight, tuple(rule.pace for rule in rules))
        self.meter = PollMeter()
        self.found_at = 0.0
        """When the account last got a 2xx, 0.0 for never."""
        self.wake: Callable[[], None] = lambda: None
        """Tells the account's poller that something may be due sooner than it thought."""
        self._rules = tuple(rules)

    def follow(self, other: Desk) -> None:
        """Take over the limits and the lanes of a desk made for a new configuration; who waited must enter again."""
        self.budget.limits = other.budget.limits
        self.queue = other.queue
        self._rules = other._rules

    def lane(self, channel: str) -> Lane:
        """Return the lane of a channel: the first entry that matches."""
        for rule, lane in zip(self._rules, self.queue.lanes, strict=True):
            if rule.channels is None or channel in rule.channels:
                return lane
        return self.queue.lanes[-1]


class Plan:
    """Puts messages into the lanes of their accounts."""

    def __init__(self, in_flight: InFlight, graces: Graces, desks: Mapping[str, Desk]) -> None:
        """Take the desks by account name; a message whose account has none is parked."""
        self.desks = dict(desks)
        self.graces = graces
        self.parked = 0
        self._in_flight = in_flight
        self._places: list[tuple[Desk, Lane] | None] = []
        self._random = random.Random()  # noqa: S311  # nosec B311 - jitter is no secret

    def place(self, slot: int) -> tuple[Desk, Lane] | None:
        """Return the desk and the lane of a message, None for a parked one."""
        number = self._in_flight.cohort[slot]
        while number >= len(self._places):
            self._places.append(self._place_of(self._in_flight.cohorts[len(self._places)]))
        return self._places[number]

    def _place_of(self, cohort: Cohort) -> tuple[Desk, Lane] | None:
        desk = self.desks.get(cohort.account)
        return None if desk is None else (desk, desk.lane(cohort.channel))

    def deadline_at(self, slot: int) -> float:
        """Return when a message is asked about for the last time; a parked one is given up then."""
        return self._deadline_at(slot, self._pace(slot))

    def _deadline_at(self, slot: int, pace: Pace) -> float:
        in_flight = self._in_flight
        return deadline(in_flight.sent_at[slot], in_flight.ttl[slot], pace.timeout, self.graces.ttl_seconds)

    def _pace(self, slot: int) -> Pace:
        """Return how a message is polled; all accounts have the same entries, so a parked message's is any desk's."""
        place = self.place(slot)
        if place is not None:
            return place[1].pace
        desk = next(iter(self.desks.values()))
        return desk.lane(self._in_flight.cohorts[self._in_flight.cohort[slot]].channel).pace

    def terms(self, slot: int, desk: Desk) -> Terms:
        """Return what besides the message decides about it."""
        return Terms(
            deadline_at=self.deadline_at(slot),
            not_found_grace_seconds=self.graces.not_found_seconds,
            other_found_at=desk.found_at,
            earlier_failures=self._in_flight.failures[slot],
        )

    def gap_seconds(self, slot: int) -> float:
        """Return the gap between polls that a message is in."""
        pace, polled_at = self._pace(slot), self._in_flight.polled_at[slot]
        return gap(pace, polled_at - self._in_flight.sent_at[slot]) if polled_at else pace.first

    def mature_seconds(self, slot: int) -> float:
        """Return the age at which a message is judged for the delivery rate."""
        return self._pace(slot).mature

    def welcome(self, slot: int, now: float) -> None:
        """Have a message wait for its first poll in this process, and let its poller know."""
        self.enter(slot, now)
        place = self.place(slot)
        if place is not None:
            place[0].wake()

    def enter(self, slot: int, now: float) -> None:
        """Have a message wait for its next poll."""
        place = self.place(slot)
        if place is None:
            self.parked += 1
            return
        desk, lane = place
        desk.queue.enter(slot, lane, max(self._due_at(slot, desk, lane), now), now)

    def _due_at(self, slot: int, desk: Desk, lane: Lane) -> float:
        in_flight = self._in_flight
        sent_at, polled_at = in_flight.sent_at[slot], in_flight.polled_at[slot]
        aim, deadline_at = desk.budget.answers.aim_seconds, self._deadline_at(slot, lane.pace)
        if in_flight.failures[slot]:
            due_at = retry_due(polled_at, in_flight.failures[slot], self._random.random())
            return due_at if polled_at >= deadline_at else max(min(due_at, deadline_at), polled_at + 1.0)
        if not polled_at:
            return min(first_due(lane.pace, sent_at, aim), deadline_at)
        return next_due(lane.pace, sent_at, polled_at, aim, deadline_at)

    def leave(self, slot: int) -> None:
        """Forget a message that is in flight no more."""
        place = self.place(slot)
        if place is None:
            self.parked -= 1
        else:
            place[0].queue.leave(slot, place[1])

    def relay_out(self, graces: Graces, desks: Mapping[str, Desk]) -> None:
        """Follow a new configuration while nobody polls: every message is to take its place anew."""
        self.desks, self.graces = dict(desks), graces
        self.parked, self._places = 0, []
        self._in_flight.unplace()

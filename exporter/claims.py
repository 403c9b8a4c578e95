"""An end that a webhook announced: when it can have come about, and what the API's answer makes of it (section 4)."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Final

import msgspec

from exporter.lifecycle import OUTCOMES
from exporter.message import (
    Anomaly,
    Ending,
    Fallback,
    Message,
    Observation,
    Status,
    StatusReport,
    Transition,
)

SKEW_SECONDS: Final = 5.0
"""How far a webhook's clock may be off."""
_REMEMBERED: Final = 8
"""How many wrong webhooks of one message are told apart from new ones."""
PATIENCE_SECONDS: Final = 60.0
"""How long the API is asked to confirm before a message is counted as its webhook said."""


class Moment(msgspec.Struct, frozen=True):
    """A time as it was written: the Unix seconds, and over how many of them it is spread (1 without a fraction)."""

    at: float
    spread_seconds: float


class Notice(msgspec.Struct, frozen=True):
    """What a webhook says about a message."""

    status: Status
    moment: Moment | None = None
    """None where its time is missing or unreadable."""
    cost: Decimal | None = None


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A final status that awaits the API's word; the store keeps it, so that a restart forgets no webhook."""

    status: Status
    arrived_at: float
    lower_at: float | None = None
    """The earliest that it can have come about; None for what the polls prove."""
    upper_at: float
    """The latest that it can have come about."""
    until: float
    """When the message is counted without the API's word."""
    cost: Decimal | None = None
    refuted: bool = False
    """The API said otherwise."""
    wrong: tuple[tuple[Status, float | None], ...] = ()
    """The statuses and times that were refuted; kept, so that the same webhook again changes nothing."""

    def repeats(self, other: Claim) -> bool:
        """Whether another webhook says what was refuted already."""
        return (other.status, other.lower_at) in self.wrong

    def disproved(self) -> Claim:
        """Return the claim as the API's answer leaves it."""
        wrong = (*self.wrong, (self.status, self.lower_at))[-_REMEMBERED:]
        return msgspec.structs.replace(self, refuted=True, wrong=wrong)


class Verdict(enum.Enum):
    """What an answer makes of a claim."""

    OPEN = enum.auto()
    """It says nothing about it."""
    CONFIRMED = enum.auto()
    REFUTED = enum.auto()


def claim(message: Message, notice: Notice, arrived_at: float) -> tuple[Claim, tuple[Anomaly, ...]]:
    """Return what a final status that arrived now claims.

    Its time counts when it lies between the send time and the arrival, give or take the skew; else the arrival does.
    """
    moment, lower_at, upper_at = notice.moment, None, arrived_at
    anomalies: tuple[Anomaly, ...] = (Anomaly.WEBHOOK_TIME,)
    if moment is not None:
        earliest, latest = message.sent_at - SKEW_SECONDS, arrived_at + SKEW_SECONDS
        if earliest < moment.at + moment.spread_seconds and moment.at <= latest:
            lower_at, upper_at, anomalies = moment.at, min(moment.at + moment.spread_seconds, arrived_at), ()
    made = Claim(
        status=notice.status,
        arrived_at=arrived_at,
        lower_at=lower_at,
        upper_at=upper_at,
        until=arrived_at + PATIENCE_SECONDS,
        cost=notice.cost,
    )
    return made, anomalies


def judge(transition: Transition, claimed: Claim, observed: Observation) -> tuple[Transition, Verdict]:
    """Return what an answer really does to a message whose end is announced, and what it makes of the claim.

    The same final status takes the claim's times; another one, or "in flight" to a call that began after the webhook
    came, refutes it. What else comes tells nothing, and ends nothing while the claim is open.
    """
    report, ending = observed.reading, transition.ending
    if isinstance(report, StatusReport) and report.status is not Status.UNKNOWN:
        if ending is not None and report.status is claimed.status:
            confirmed = msgspec.structs.replace(transition, ending=_timed(transition.message, ending, claimed))
            return confirmed, Verdict.CONFIRMED
        if report.status.final or observed.started_at >= claimed.arrived_at:
            return transition, Verdict.REFUTED
    # What is odd about an answer counts when it ends a message, once.
    odd = report.anomalies if isinstance(report, StatusReport) and ending is not None else ()
    anomalies = tuple(each for each in transition.anomalies if each not in odd)
    return msgspec.structs.replace(transition, ending=None, anomalies=anomalies), Verdict.OPEN


def unconfirmed(message: Message, claimed: Claim, now: float) -> Transition:
    """Return the end of a message as its webhook announced it, because the API did not say."""
    seen = () if message.seen & 1 << claimed.status else (claimed.status,)
    ended = msgspec.structs.replace(message, status=claimed.status, seen=message.seen | 1 << claimed.status)
    ending = Ending(
        outcome=OUTCOMES[claimed.status],
        at=now,
        fallback=Fallback.UNKNOWN,
        lower_seconds=max(0.0, message.in_flight_at - message.sent_at),
        upper_seconds=0.0,
        report=StatusReport(status=claimed.status, cost=claimed.cost),
    )
    return Transition(message=ended, seen=seen, ending=_timed(message, ending, claimed))


def noticed(message: Message, status: Status) -> Transition:
    """Return what a status in flight does: one that is further than the last known is seen, any other changes nothing.

    It proves nothing about when: only what SMSBat answers moves the earliest time of delivery. A word that nobody knows
    is seen once.
    """
    if status is Status.UNKNOWN and not message.seen & 1 << status:
        seen = msgspec.structs.replace(message, seen=message.seen | 1 << status)
        return Transition(message=seen, seen=(status,), anomalies=(Anomaly.UNKNOWN_STATUS,))
    if status not in {Status.SCHEDULED, Status.PROCESSING} or status <= message.status:
        return Transition(message=message)
    bit = 1 << status
    changed = msgspec.structs.replace(message, status=status, seen=message.seen | bit)
    return Transition(message=changed, seen=() if message.seen & bit else (status,))


def _timed(message: Message, ending: Ending, claimed: Claim) -> Ending:
    lower = ending.lower_seconds if claimed.lower_at is None else claimed.lower_at - message.sent_at
    upper = claimed.upper_at - message.sent_at
    return msgspec.structs.replace(ending, lower_seconds=max(0.0, min(lower, upper)), upper_seconds=max(0.0, upper))

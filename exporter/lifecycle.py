"""The life of a message as a function: message, observation and terms in, transition out (contract section 3)."""

from __future__ import annotations

from typing import Final

import msgspec

from exporter.message import (
    Anomaly,
    Ending,
    Failure,
    Fallback,
    Maturity,
    Message,
    NotFound,
    Observation,
    Outcome,
    Status,
    StatusReport,
    Transition,
)

OTHER_FOUND_WITHIN_SECONDS: Final = 600.0
"""404 may end a message only while the account got a 2xx for another one within this time."""
UNOBSERVED_AFTER_SECONDS: Final = 86_400.0
"""How long past its deadline a message waits for somebody who can be asked."""
GIVEN_UP_AFTER_FAILURES: Final = 10
"""How many calls in a row fail before a message that is past all that counts as one that cannot be asked about."""
FRESH_SECONDS: Final = 60.0
"""An answer at least this young tells what a message is at its `mature` age."""

OUTCOMES: Final = {
    Status.DELIVERED: Outcome.DELIVERED,
    Status.UNDELIVERABLE: Outcome.UNDELIVERABLE,
    Status.PERMANENTERROR: Outcome.PERMANENTERROR,
}
"""What a final status ends a message with."""

UNUSED: Final = frozenset({"not_used", ""})
"""Of a way whose status is missing nothing says that it was used."""


class Terms(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What besides the message decides about it; `_at` is Unix seconds, `_seconds` a duration."""

    deadline_at: float
    not_found_grace_seconds: float
    other_found_at: float
    """When the account last got a 2xx for any message, 0.0 for never."""
    earlier_failures: int = 0
    """How many calls about the message failed in a row before this one, in this process."""


def deadline(sent_at: float, ttl: float, timeout_seconds: float, ttl_grace_seconds: float) -> float:
    """Return when a message is asked for the last time: the smaller of timeout and ttl + grace after sending.

    `ttl` is seconds, infinity for none.
    """
    return sent_at + min(timeout_seconds, ttl + ttl_grace_seconds)


def advance(message: Message, observed: Observation, terms: Terms) -> Transition:
    """Return what one call makes of a message in flight."""
    reading = observed.reading
    if isinstance(reading, StatusReport):
        return _answered(message, observed, reading, terms)
    if isinstance(reading, NotFound):
        return _not_found(message, observed, terms)
    return _failed(message, observed, reading, terms)


def _answered(message: Message, observed: Observation, report: StatusReport, terms: Terms) -> Transition:
    """The first final answer ends a message; one in flight ends it only when asked for after the deadline."""
    status = report.status
    bit = 1 << status
    anomalies = () if status is message.status else _oddities(message, status)
    now = msgspec.structs.replace(
        message,
        status=status,
        seen=message.seen | bit,
        # A status that nobody knows may mean delivered: it keeps a message in flight and proves nothing about when.
        in_flight_at=message.in_flight_at if status is Status.UNKNOWN or status.final else observed.started_at,
        answered_at=observed.arrived_at,
        other_at=observed.arrived_at,
        polls=message.polls + 1,
    )
    seen = () if message.seen & bit else (status,)
    if status.final:
        ending = _ending(message, observed.arrived_at, OUTCOMES[status], report)
    elif observed.started_at >= terms.deadline_at:
        ending = _ending(now, observed.arrived_at, Outcome.TIMEOUT, report)
    else:
        return Transition(message=now, seen=seen, anomalies=anomalies)
    return Transition(message=now, seen=seen, ending=ending, anomalies=anomalies + report.anomalies)


def _oddities(message: Message, status: Status) -> tuple[Anomaly, ...]:
    if status is Status.UNKNOWN:
        return () if message.seen & 1 << Status.UNKNOWN else (Anomaly.UNKNOWN_STATUS,)
    if status is Status.SCHEDULED and message.seen & 1 << Status.PROCESSING:
        return (Anomaly.STATUS_REGRESSION,) if message.status is Status.PROCESSING else ()
    return ()


def _not_found(message: Message, observed: Observation, terms: Terms) -> Transition:
    """404 may mean "not visible yet", also for long while the account sees nothing else."""
    now = msgspec.structs.replace(message, answered_at=0.0, polls=message.polls + 1)
    visible_once = message.status is not Status.ACCEPTED
    patience_ends = max(message.accepted_at, message.sent_at, message.other_at) + terms.not_found_grace_seconds
    others_visible = observed.arrived_at - terms.other_found_at <= OTHER_FOUND_WITHIN_SECONDS
    gone = not visible_once and others_visible and observed.arrived_at > patience_ends
    if gone or observed.started_at >= terms.deadline_at:
        return Transition(message=now, ending=_ending(now, observed.arrived_at, Outcome.NOT_FOUND, None))
    return Transition(message=now)


def _failed(message: Message, observed: Observation, failure: Failure, terms: Terms) -> Transition:
    """A failed call changes nothing about a message; a day past its deadline enough of them in a row end it."""
    other_at = message.other_at if failure.code is None else observed.arrived_at
    now = msgspec.structs.replace(message, other_at=other_at, polls=message.polls + 1)
    anomalies = () if failure.anomaly is None else (failure.anomaly,)
    too_late = observed.started_at >= terms.deadline_at + UNOBSERVED_AFTER_SECONDS
    if too_late and terms.earlier_failures + 1 >= GIVEN_UP_AFTER_FAILURES:
        return Transition(message=now, ending=unobserved(now, observed.arrived_at), anomalies=anomalies)
    return Transition(message=now, anomalies=anomalies)


def unobserved(message: Message, now: float) -> Ending:
    """Return the end of a message that nobody could be asked about until a day past its deadline."""
    return _ending(message, now, Outcome.UNOBSERVED, None)


def _ending(before: Message, at: float, outcome: Outcome, report: StatusReport | None) -> Ending:
    lower = max(0.0, before.in_flight_at - before.sent_at) if before.in_flight_at else 0.0
    return Ending(
        outcome=outcome,
        at=at,
        fallback=Fallback.UNKNOWN if report is None else fallback(before.channel, report),
        lower_seconds=lower,
        upper_seconds=max(lower, at - before.sent_at),
        report=report,
    )


def contradicts(outcome: Outcome, report: StatusReport) -> bool:
    """Whether an answer that came after the end names another final status than the one that ended the message."""
    return report.status.final and OUTCOMES[report.status] is not outcome


def fallback(channel: str, report: StatusReport) -> Fallback:
    """Say whether another way was configured and gone: any entry, or any second channel, that is not `not_used`."""
    others = [status for _, status in report.fallbacks]
    first = _first_channel(channel, report.channels)
    others += [status for kind, status in report.channels if kind != first]
    if not others:
        return Fallback.NONE
    return Fallback.UNUSED if all(status in UNUSED for status in others) else Fallback.USED


def _first_channel(channel: str, channels: tuple[tuple[str, str], ...]) -> str | None:
    """The message's own channel among the extended statuses; JSON promises no order, so a name that fits wins."""
    for kind, _ in channels:
        if kind == channel or channel.startswith(kind + "_"):
            return kind
    return next((kind for kind, status in channels if status != "not_used"), channels[0][0] if channels else None)


def via(channel: str, report: StatusReport) -> str:
    """Return the channel that delivered: the one whose extended status says so, else the message's own."""
    return next((kind for kind, status in report.channels if status == Status.DELIVERED.label), channel)


def maturity(message: Message, now: float, gap_seconds: float) -> Maturity:
    """Say what a message in flight is at its `mature` age: pending only when a young answer says so."""
    fresh = now - message.answered_at < max(gap_seconds, FRESH_SECONDS)
    return Maturity.PENDING if message.answered_at and fresh else Maturity.UNKNOWN


def matured_by(outcome: Outcome) -> Maturity:
    """Say what a message is that ends before its `mature` age."""
    match outcome:
        case Outcome.DELIVERED:
            return Maturity.DELIVERED
        case Outcome.UNDELIVERABLE | Outcome.PERMANENTERROR:
            return Maturity.FAILED
        case Outcome.TIMEOUT:
            return Maturity.PENDING
        case Outcome.NOT_FOUND | Outcome.UNOBSERVED:
            return Maturity.UNKNOWN

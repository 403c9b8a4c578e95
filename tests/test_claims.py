"""What a webhook proves about when a message ended, and what the API's answer makes of it (contract section 4)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.claims import Claim, Moment, Notice, Verdict, claim, judge, noticed, unconfirmed
from exporter.lifecycle import Terms, advance
from exporter.message import (
    Anomaly,
    Failure,
    Fallback,
    Message,
    NotFound,
    Observation,
    Outcome,
    PollResult,
    Reading,
    Status,
    StatusReport,
    Transition,
)

SENT_AT = 1_000_000.0
ARRIVED_AT = SENT_AT + 60.0
MESSAGE = Message(id="m1", account="main", channel="sms", sent_at=SENT_AT, accepted_at=SENT_AT)
TERMS = Terms(deadline_at=SENT_AT + 7_200.0, not_found_grace_seconds=120.0, other_found_at=ARRIVED_AT)
LATE = msgspec.structs.replace(TERMS, deadline_at=SENT_AT + 1.0)


def claimed(at: float | None, spread: float = 0.0, status: Status = Status.DELIVERED) -> tuple[Claim, bool]:
    """Return the claim of a webhook with this time, in seconds from sending, and whether that was odd."""
    moment = None if at is None else Moment(SENT_AT + at, spread)
    made, anomalies = claim(MESSAGE, Notice(status, moment), ARRIVED_AT)
    return made, anomalies == (Anomaly.WEBHOOK_TIME,)


def answer(
    reading: Reading, made: Claim, *, message: Message = MESSAGE, started: float = 61.0, terms: Terms = TERMS
) -> tuple[Transition, Verdict]:
    observed = Observation(SENT_AT + started, SENT_AT + started + 0.1, reading)
    return judge(advance(message, observed, terms), made, observed)


def bounds(transition: Transition) -> tuple[float, float]:
    assert transition.ending is not None
    return round(transition.ending.lower_seconds, 6), round(transition.ending.upper_seconds, 6)


@pytest.mark.parametrize(
    ("at", "spread", "expected", "odd"),
    [
        pytest.param(12.25, 0.0, (12.25, 12.25), False, id="a fraction is exact"),
        pytest.param(12.0, 1.0, (12.0, 13.0), False, id="without one it is known to its second"),
        pytest.param(59.5, 1.0, (59.5, 60.0), False, id="nothing ends after its webhook came"),
        pytest.param(-0.5, 1.0, (0.0, 0.5), False, id="the second of sending began before it"),
        pytest.param(-4.0, 1.0, (0.0, 0.0), False, id="a clock that is 4 s behind"),
        pytest.param(64.0, 0.0, (60.0, 60.0), False, id="a clock that is 4 s ahead"),
        pytest.param(-6.5, 1.0, (0.0, 60.0), True, id="long before sending"),
        pytest.param(65.5, 1.0, (0.0, 60.0), True, id="long after the webhook"),
        pytest.param(None, 0.0, (0.0, 60.0), True, id="no time at all"),
    ],
)
def test_a_webhooks_time_counts_between_sending_and_arrival(
    at: float | None, spread: float, expected: tuple[float, float], *, odd: bool
) -> None:
    made, was_odd = claimed(at, spread)
    transition, verdict = answer(StatusReport(status=Status.DELIVERED), made)
    assert (bounds(transition), was_odd, verdict) == (expected, odd, Verdict.CONFIRMED)


def test_without_a_time_the_last_poll_in_flight_stays_the_earliest() -> None:
    seen = msgspec.structs.replace(MESSAGE, in_flight_at=SENT_AT + 40.0, status=Status.PROCESSING)
    made, _ = claimed(None)
    transition, _ = answer(StatusReport(status=Status.DELIVERED), made, message=seen)
    assert bounds(transition) == (40.0, 60.0)


def test_an_exact_time_holds_even_if_a_later_poll_said_in_flight() -> None:
    seen = msgspec.structs.replace(MESSAGE, in_flight_at=SENT_AT + 40.0, status=Status.PROCESSING)
    made, _ = claimed(12.25)
    transition, _ = answer(StatusReport(status=Status.DELIVERED), made, message=seen)
    assert bounds(transition) == (12.25, 12.25)


@pytest.mark.parametrize(
    "reading",
    [
        NotFound(),
        Failure(PollResult.TIMEOUT),
        Failure(PollResult.SERVER_ERROR, None, 503),
        StatusReport(status=Status.UNKNOWN),
    ],
)
@pytest.mark.parametrize("terms", [TERMS, LATE])
def test_what_says_nothing_about_it_ends_nothing(reading: Reading, terms: Terms) -> None:
    transition, verdict = answer(reading, claimed(12.0)[0], terms=terms)
    assert (transition.ending, verdict) == (None, Verdict.OPEN)


def test_in_flight_refutes_only_when_asked_after_the_webhook_came() -> None:
    made, _ = claimed(12.0)
    report = StatusReport(status=Status.PROCESSING)
    assert answer(report, made, started=59.9)[1] is Verdict.OPEN
    assert answer(report, made, started=60.0)[1] is Verdict.REFUTED
    transition, _ = answer(report, made, terms=LATE)
    assert transition.ending is not None
    assert transition.ending.outcome is Outcome.TIMEOUT


def test_another_end_refutes_and_counts_as_the_api_says() -> None:
    transition, verdict = answer(StatusReport(status=Status.UNDELIVERABLE), claimed(12.0)[0], started=59.9)
    assert verdict is Verdict.REFUTED
    assert transition.ending is not None
    assert transition.ending.outcome is Outcome.UNDELIVERABLE
    assert bounds(transition) == (0.0, 60.0)


def test_unconfirmed_it_ends_as_announced_with_fallback_unknown() -> None:
    transition = unconfirmed(MESSAGE, claimed(12.25)[0], SENT_AT + 120.0)
    assert transition.ending is not None
    assert transition.ending.outcome is Outcome.DELIVERED
    assert transition.ending.fallback is Fallback.UNKNOWN
    assert bounds(transition) == (12.25, 12.25)
    assert transition.seen == (Status.DELIVERED,)


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (Status.ACCEPTED, Status.SCHEDULED, Status.SCHEDULED),
        (Status.ACCEPTED, Status.PROCESSING, Status.PROCESSING),
        (Status.SCHEDULED, Status.PROCESSING, Status.PROCESSING),
        (Status.PROCESSING, Status.SCHEDULED, Status.PROCESSING),
        (Status.PROCESSING, Status.PROCESSING, Status.PROCESSING),
        (Status.UNKNOWN, Status.PROCESSING, Status.UNKNOWN),
        (Status.PROCESSING, Status.UNKNOWN, Status.PROCESSING),
    ],
)
def test_a_status_in_flight_only_ever_leads_forward(before: Status, status: Status, after: Status) -> None:
    message = msgspec.structs.replace(MESSAGE, status=before, seen=1 << before, in_flight_at=5.0)
    transition = noticed(message, status)
    assert transition.message.status is after
    assert transition.seen == (() if after is before and status is not Status.UNKNOWN else (status,))
    assert noticed(transition.message, status).seen == ()
    assert (transition.message.in_flight_at, transition.ending) == (5.0, None)


@given(
    at=st.floats(-10.0, 80.0),
    spread=st.sampled_from([0.0, 1.0]),
    in_flight=st.floats(0.0, 60.0),
    status=st.sampled_from([Status.DELIVERED, Status.UNDELIVERABLE]),
)
def test_the_bounds_lie_in_order_between_sending_and_arrival(
    at: float, spread: float, in_flight: float, status: Status
) -> None:
    seen = msgspec.structs.replace(MESSAGE, in_flight_at=SENT_AT + in_flight, status=Status.PROCESSING)
    made, _ = claimed(at, spread, status)
    for transition in (answer(StatusReport(status=status), made, message=seen)[0], unconfirmed(seen, made, ARRIVED_AT)):
        lower, upper = bounds(transition)
        assert 0.0 <= lower <= upper <= 60.0

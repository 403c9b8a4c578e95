"""Whatever SMSBat says, and whenever it is asked: a message ends at most once, and its bounds hold."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from exporter.lifecycle import Terms, advance
from exporter.message import (
    Anomaly,
    Ending,
    Failure,
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

SENT_AT = 1_700_000_000.0
TIMEOUT = 600.0
DAY = 86_400.0
MESSAGE = Message(id="m1", account="main", channel="viber_otp", sent_at=SENT_AT, accepted_at=SENT_AT + 3.0)
API_STATUSES = [status for status in Status if status is not Status.ACCEPTED]
FINAL = [status for status in API_STATUSES if status.final]

faults: st.SearchStrategy[Reading] = st.sampled_from(
    [
        NotFound(),
        Failure(PollResult.TIMEOUT),
        Failure(PollResult.RATE_LIMITED, None, 429),
        Failure(PollResult.UNAUTHORIZED, None, 401),
        Failure(PollResult.SERVER_ERROR, None, 500),
        Failure(PollResult.UNREADABLE, Anomaly.NOT_JSON, 200),
        StatusReport(status=Status.UNKNOWN),
    ]
)
readings = faults | st.builds(StatusReport, status=st.sampled_from(API_STATUSES))
gaps = st.floats(1.0, 30.0) | st.floats(1.0, 2 * DAY)
takes = st.floats(0.0, 10.0)


@dataclass(frozen=True)
class Call:
    """A call `gap` seconds after the last answer, answered `took` seconds later."""

    gap: float
    took: float
    reading: Reading
    other_found: bool


calls = st.lists(st.builds(Call, gaps, takes, readings, st.booleans()), max_size=30)


def course(given_calls: list[Call]) -> list[tuple[Observation, Transition]]:
    """Return what becomes of the message, call by call, up to its end."""
    message, now, steps, failures = MESSAGE, SENT_AT, [], 0
    for call in given_calls:
        started_at = now + call.gap
        now = started_at + call.took
        observed = Observation(started_at, now, call.reading)
        terms = Terms(
            deadline_at=SENT_AT + TIMEOUT,
            not_found_grace_seconds=120.0,
            other_found_at=now if call.other_found else 0.0,
            earlier_failures=failures,
        )
        failures = failures + 1 if isinstance(call.reading, Failure) else 0
        transition = advance(message, observed, terms)
        steps.append((observed, transition))
        message = transition.message
        if transition.ending is not None:
            break
    return steps


@given(calls)
def test_what_belongs_to_a_message_stays_and_every_call_is_counted(given_calls: list[Call]) -> None:
    for number, (_, transition) in enumerate(course(given_calls), 1):
        after = transition.message
        assert (after.id, after.account, after.channel, after.sent_at) == ("m1", "main", "viber_otp", SENT_AT)
        assert (after.accepted_at, after.polls, after.matured) == (SENT_AT + 3.0, number, False)


@given(calls)
def test_each_status_is_reported_as_new_once_and_remembered(given_calls: list[Call]) -> None:
    seen = [status for _, transition in course(given_calls) for status in transition.seen]
    assert len(seen) == len(set(seen))
    answered = [each.reading.status for each, _ in course(given_calls) if isinstance(each.reading, StatusReport)]
    assert set(seen) == set(answered)


@given(calls)
def test_a_message_ends_at_its_first_final_answer_and_only_once(given_calls: list[Call]) -> None:
    steps = course(given_calls)
    for observed, transition in steps:
        reading = observed.reading
        final = isinstance(reading, StatusReport) and reading.status.final
        assert not final or transition.ending is not None
        assert transition.message.status.final == final


@given(calls)
def test_an_outcome_comes_only_of_what_stands_for_it(given_calls: list[Call]) -> None:
    for observed, transition in course(given_calls):
        if transition.ending is not None:
            check_cause(transition.ending, observed)


def check_cause(ending: Ending, observed: Observation) -> None:
    reading, age = observed.reading, observed.started_at - SENT_AT
    if ending.outcome is Outcome.NOT_FOUND:
        assert isinstance(reading, NotFound)
    elif ending.outcome is Outcome.UNOBSERVED:
        assert isinstance(reading, Failure)
        assert age >= TIMEOUT + DAY
    elif ending.outcome is Outcome.TIMEOUT:
        assert isinstance(reading, StatusReport)
        assert not reading.status.final
        assert age >= TIMEOUT
    else:
        assert isinstance(reading, StatusReport)
        assert reading.status.label == ending.outcome.value
    assert ending.report is (reading if isinstance(reading, StatusReport) else None)


@given(calls)
def test_an_understood_answer_past_the_deadline_always_ends_a_message(given_calls: list[Call]) -> None:
    for observed, transition in course(given_calls):
        if observed.started_at >= SENT_AT + TIMEOUT and not isinstance(observed.reading, Failure):
            assert transition.ending is not None


@given(calls)
def test_the_bounds_are_in_order_and_end_with_the_answer(given_calls: list[Call]) -> None:
    for observed, transition in course(given_calls):
        if transition.ending is not None:
            assert 0.0 <= transition.ending.lower_seconds <= transition.ending.upper_seconds
            assert transition.ending.at == observed.arrived_at
            assert transition.ending.upper_seconds == observed.arrived_at - SENT_AT


@dataclass(frozen=True)
class Sample:
    """A call that the API answers with what is true `at` (a share of the call) between its start and its arrival."""

    gap: float
    took: float
    at: float
    fault: Reading | None


samples = st.lists(st.builds(Sample, gaps, takes, st.floats(0.0, 1.0), st.none() | faults), min_size=1, max_size=30)


@given(st.floats(0.0, 2 * TIMEOUT), st.floats(0.0, 1.0), st.sampled_from(FINAL), samples)
def test_the_bounds_enclose_the_moment_at_which_it_happened(
    ends_after: float, scheduled_share: float, end: Status, sampled: list[Sample]
) -> None:
    given_calls, now = [], 0.0
    for sample in sampled:
        asked_at = now + sample.gap
        now = asked_at + sample.took
        answered_for = asked_at + sample.at * sample.took
        before = Status.SCHEDULED if answered_for < scheduled_share * ends_after else Status.PROCESSING
        truth = StatusReport(status=end if answered_for >= ends_after else before)
        given_calls.append(Call(sample.gap, sample.took, sample.fault or truth, other_found=True))
    for _, transition in course(given_calls):
        if transition.ending is not None and transition.ending.outcome.value == end.label:
            rounding = 1e-4  # of Unix seconds in binary
            assert transition.ending.lower_seconds - rounding <= ends_after
            assert ends_after <= transition.ending.upper_seconds + rounding


@given(st.floats(SENT_AT - DAY, SENT_AT + DAY), st.floats(SENT_AT - DAY, SENT_AT + DAY), readings)
def test_the_bounds_are_in_order_even_when_the_clock_is_set_back(first: float, second: float, reading: Reading) -> None:
    terms = Terms(deadline_at=SENT_AT + TIMEOUT, not_found_grace_seconds=120.0, other_found_at=first)
    before = advance(MESSAGE, Observation(first, second, StatusReport(status=Status.PROCESSING)), terms).message
    ending = advance(before, Observation(second, first, reading), terms).ending
    assert ending is None or 0.0 <= ending.lower_seconds <= ending.upper_seconds

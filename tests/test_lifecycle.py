"""Contract section 3: what one call makes of a message, clause by clause."""

from __future__ import annotations

import math

import msgspec
import pytest

from exporter.lifecycle import Terms, advance, contradicts, deadline, maturity, unobserved
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
    PollResult,
    Reading,
    Status,
    StatusReport,
    Transition,
)

SENT_AT = 1_000_000.0
DEADLINE_AT = SENT_AT + 7_200.0
GRACE = 120.0
DAY = 86_400.0
MESSAGE = Message(id="m1", account="main", channel="sms", sent_at=SENT_AT, accepted_at=SENT_AT)
IN_FLIGHT = (Status.SCHEDULED, Status.PROCESSING, Status.UNKNOWN)
FINAL = {
    Status.DELIVERED: Outcome.DELIVERED,
    Status.UNDELIVERABLE: Outcome.UNDELIVERABLE,
    Status.PERMANENTERROR: Outcome.PERMANENTERROR,
}
FAILURES = [
    Failure(PollResult.TIMEOUT),
    Failure(PollResult.CONNECTION_ERROR),
    Failure(PollResult.RATE_LIMITED, None, 429),
    Failure(PollResult.UNAUTHORIZED, None, 401),
    Failure(PollResult.UNAUTHORIZED, None, 403),
    Failure(PollResult.CLIENT_ERROR, None, 400),
    Failure(PollResult.SERVER_ERROR, None, 503),
    Failure(PollResult.UNREADABLE, Anomaly.NOT_JSON, 200),
    Failure(PollResult.UNREADABLE, Anomaly.UNEXPECTED_CODE, 204),
]


def terms(*, other_found_at: float = 0.0, deadline_at: float = DEADLINE_AT, earlier_failures: int = 0) -> Terms:
    return Terms(
        deadline_at=deadline_at,
        not_found_grace_seconds=GRACE,
        other_found_at=other_found_at,
        earlier_failures=earlier_failures,
    )


def asked(
    reading: Reading | Status, after: float, took: float = 0.1, *, of: Message = MESSAGE, by: Terms | None = None
) -> Transition:
    """Return what a call makes of a message that starts `after` seconds past the send time."""
    if isinstance(reading, Status):
        reading = StatusReport(status=reading)
    return advance(of, Observation(SENT_AT + after, SENT_AT + after + took, reading), by or terms())


def end(transition: Transition) -> Ending:
    assert transition.ending is not None
    return transition.ending


@pytest.mark.parametrize(
    ("ttl", "after"), [(math.inf, 7_200.0), (60.0, 180.0), (0.0, 120.0), (7_080.0, 7_200.0), (90_000.0, 7_200.0)]
)
def test_the_deadline_is_the_smaller_of_the_timeout_and_the_ttl_with_its_grace(ttl: float, after: float) -> None:
    assert deadline(SENT_AT, ttl, 7_200.0, 120.0) == SENT_AT + after


@pytest.mark.parametrize("status", FINAL)
def test_a_final_answer_ends_a_message_also_when_it_is_the_first(status: Status) -> None:
    report = StatusReport(status=status, parts=2)
    transition = asked(report, 5.0, took=0.5)
    assert end(transition) == Ending(
        outcome=FINAL[status],
        at=SENT_AT + 5.5,
        fallback=Fallback.NONE,
        lower_seconds=0.0,
        upper_seconds=5.5,
        report=report,
    )
    assert (transition.message.status, transition.seen) == (status, (status,))


@pytest.mark.parametrize("status", FINAL)
def test_a_final_answer_counts_also_after_the_deadline(status: Status) -> None:
    assert end(asked(status, 7_200.0 + 2 * DAY)).outcome is FINAL[status]


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_an_answer_in_flight_keeps_a_message_until_its_deadline(status: Status) -> None:
    transition = asked(status, 7_199.9, took=5.0)
    assert transition.ending is None
    assert (transition.message.status, transition.seen) == (status, (status,))


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_an_answer_in_flight_to_a_poll_made_after_the_deadline_is_a_timeout(status: Status) -> None:
    ending = end(asked(status, 7_200.0))
    assert (ending.outcome, ending.report) == (Outcome.TIMEOUT, StatusReport(status=status))


def test_each_status_is_seen_once() -> None:
    first = asked(Status.SCHEDULED, 1.0)
    again = asked(Status.SCHEDULED, 3.0, of=first.message)
    processing = asked(Status.PROCESSING, 5.0, of=again.message)
    back = asked(Status.SCHEDULED, 7.0, of=processing.message)
    assert [each.seen for each in (first, again, processing, back)] == [
        (Status.SCHEDULED,),
        (),
        (Status.PROCESSING,),
        (),
    ]


def test_a_step_back_is_an_anomaly_and_moves_the_status() -> None:
    processing = asked(Status.PROCESSING, 1.0)
    back = asked(Status.SCHEDULED, 3.0, of=processing.message)
    assert (back.anomalies, back.message.status) == ((Anomaly.STATUS_REGRESSION,), Status.SCHEDULED)
    assert processing.anomalies == asked(Status.SCHEDULED, 5.0, of=back.message).anomalies == ()


def test_an_unknown_status_is_an_anomaly_once_a_message() -> None:
    first = asked(Status.UNKNOWN, 1.0)
    assert first.anomalies == (Anomaly.UNKNOWN_STATUS,)
    assert asked(Status.UNKNOWN, 3.0, of=first.message).anomalies == ()


def test_a_reports_own_anomalies_count_when_its_money_is_booked() -> None:
    odd = StatusReport(status=Status.PROCESSING, anomalies=(Anomaly.NEGATIVE_COST,))
    assert asked(odd, 1.0).anomalies == ()
    assert asked(odd, 7_200.0).anomalies == (Anomaly.NEGATIVE_COST,)


def test_the_lower_bound_is_the_start_of_the_last_poll_answered_in_flight() -> None:
    first = asked(Status.SCHEDULED, 2.0, took=3.0)
    second = asked(Status.PROCESSING, 8.0, took=3.0, of=first.message)
    ending = end(asked(Status.DELIVERED, 20.0, took=3.0, of=second.message))
    assert (ending.lower_seconds, ending.upper_seconds, ending.at) == (8.0, 23.0, SENT_AT + 23.0)


@pytest.mark.parametrize("reading", [Status.UNKNOWN, NotFound(), *FAILURES])
def test_only_scheduled_and_processing_move_the_lower_bound(reading: Reading | Status) -> None:
    first = asked(Status.SCHEDULED, 2.0)
    between = asked(reading, 8.0, of=first.message)
    assert end(asked(Status.DELIVERED, 20.0, of=between.message)).lower_seconds == 2.0


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_call_changes_nothing_but_the_count_of_polls(failure: Failure) -> None:
    before = asked(Status.PROCESSING, 2.0).message
    transition = asked(failure, 8.0, of=before)
    assert (transition.ending, transition.seen) == (None, ())
    same = msgspec.structs.replace(before, polls=2, other_at=transition.message.other_at)
    assert transition.message == same


def test_an_unreadable_answers_reason_is_an_anomaly() -> None:
    assert asked(Failure(PollResult.UNREADABLE, Anomaly.NOT_JSON, 200), 1.0).anomalies == (Anomaly.NOT_JSON,)


@pytest.mark.parametrize("failure", FAILURES)
def test_unobserved_is_only_what_nobody_could_be_asked_about_a_day_past_the_deadline(failure: Failure) -> None:
    often = terms(earlier_failures=9)
    assert asked(failure, 7_200.0, by=often).ending is None
    assert asked(failure, 7_200.0 + DAY - 0.1, by=often).ending is None
    assert asked(failure, 7_200.0 + DAY, by=terms(earlier_failures=8)).ending is None
    for last in (end(asked(failure, 7_200.0 + DAY, by=often)), unobserved(MESSAGE, DEADLINE_AT + DAY)):
        assert (last.outcome, last.fallback, last.report) == (Outcome.UNOBSERVED, Fallback.UNKNOWN, None)


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_a_message_that_is_asked_about_long_after_its_deadline_times_out_rather_than_unobserved(status: Status) -> None:
    assert end(asked(status, 7_200.0 + 2 * DAY)).outcome is Outcome.TIMEOUT


FOUND = terms(other_found_at=SENT_AT + 60.0)


def test_404_within_the_grace_means_not_visible_yet() -> None:
    assert asked(NotFound(), 119.0, by=FOUND).ending is None


def test_404_past_the_grace_ends_a_message_while_the_account_sees_others() -> None:
    ending = end(asked(NotFound(), 121.0, by=FOUND))
    assert (ending.outcome, ending.fallback, ending.report) == (Outcome.NOT_FOUND, Fallback.UNKNOWN, None)


def test_404_past_the_grace_waits_while_the_account_never_saw_another() -> None:
    assert asked(NotFound(), 7_199.0).ending is None


@pytest.mark.parametrize(("seconds_ago", "ends"), [(599.0, True), (601.0, False)])
def test_the_account_must_have_seen_another_message_within_ten_minutes(*, seconds_ago: float, ends: bool) -> None:
    transition = asked(NotFound(), 1_000.0, took=0.0, by=terms(other_found_at=SENT_AT + 1_000.0 - seconds_ago))
    assert (transition.ending is not None) is ends


def test_the_grace_counts_from_acceptance_when_that_is_later_than_sending() -> None:
    late = msgspec.structs.replace(MESSAGE, accepted_at=SENT_AT + 100.0)
    assert asked(NotFound(), 219.0, of=late, by=FOUND).ending is None
    assert end(asked(NotFound(), 221.0, of=late, by=FOUND)).outcome is Outcome.NOT_FOUND


def test_the_grace_of_a_scheduled_send_counts_from_the_time_of_sending() -> None:
    early = msgspec.structs.replace(MESSAGE, accepted_at=SENT_AT - DAY)
    assert asked(NotFound(), 119.0, of=early, by=FOUND).ending is None
    assert end(asked(NotFound(), 121.0, of=early, by=FOUND)).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("failure", [failure for failure in FAILURES if failure.code is not None])
def test_the_grace_counts_anew_from_an_answer_other_than_404(failure: Failure) -> None:
    failed = asked(failure, 100.0, took=0.0).message
    assert asked(NotFound(), 219.0, of=failed, by=FOUND).ending is None
    assert end(asked(NotFound(), 221.0, of=failed, by=FOUND)).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("reading", [NotFound(), Failure(PollResult.TIMEOUT), Failure(PollResult.CONNECTION_ERROR)])
def test_the_grace_does_not_count_anew_from_404_nor_from_no_answer(reading: Reading) -> None:
    before = asked(reading, 100.0).message
    assert end(asked(NotFound(), 121.0, of=before, by=FOUND)).outcome is Outcome.NOT_FOUND


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_404_ends_a_message_that_once_got_a_2xx_only_at_its_deadline(status: Status) -> None:
    visible = asked(status, 10.0).message
    found = terms(other_found_at=SENT_AT + 7_200.0)
    assert asked(NotFound(), 7_199.0, took=0.0, of=visible, by=found).ending is None
    assert end(asked(NotFound(), 7_200.0, of=visible, by=found)).outcome is Outcome.NOT_FOUND


def test_404_at_the_deadline_ends_a_message_whatever_the_account_sees() -> None:
    assert end(asked(NotFound(), 7_200.0)).outcome is Outcome.NOT_FOUND


def test_after_404_the_last_understood_answer_says_in_flight_no_more() -> None:
    visible = asked(Status.PROCESSING, 10.0).message
    gone = asked(NotFound(), 12.0, of=visible).message
    assert [maturity(each, SENT_AT + 20.0, 60.0) for each in (visible, gone)] == [Maturity.PENDING, Maturity.UNKNOWN]


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("status", set(Status) - {Status.ACCEPTED})
def test_a_late_answer_contradicts_when_it_names_another_final_status(outcome: Outcome, status: Status) -> None:
    expected = status in FINAL and FINAL[status] is not outcome
    assert contradicts(outcome, StatusReport(status=status)) is expected

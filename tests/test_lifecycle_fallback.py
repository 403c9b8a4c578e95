"""What the answer that ended a message says about its ways, and what a message is at its `mature` age."""

from __future__ import annotations

import itertools

import pytest

from exporter.lifecycle import fallback, matured_by, maturity, via
from exporter.message import Fallback, Maturity, Message, Outcome, Status, StatusReport
from exporter.reading import StatusWords, read

NOW = 1_000_000.0


def answer(body: str) -> StatusReport:
    """Return what reading makes of an answer."""
    found = read(200, body.encode(), "m1", StatusWords({"seen": "delivered"}))
    assert isinstance(found, StatusReport)
    return found


def ways(*channels: tuple[str, str], fallbacks: tuple[tuple[str, str], ...] = ()) -> StatusReport:
    return StatusReport(status=Status.DELIVERED, channels=channels, fallbacks=fallbacks)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"messageId": "m1"}', Fallback.NONE),
        ('{"fallbacks": [], "extendedStatuses": {}}', Fallback.NONE),
        ('{"extendedStatuses": {"viber": "delivered"}}', Fallback.NONE),
        ('{"extendedStatuses": {"viber": "undeliverable"}}', Fallback.NONE),
        ('{"fallbacks": [{"type": "sms", "status": "not_used"}]}', Fallback.UNUSED),
        ('{"fallbacks": [{"type": "sms", "status": "Not-Used"}]}', Fallback.UNUSED),
        ('{"fallbacks": [{"type": "sms", "status": "NOT USED"}]}', Fallback.UNUSED),
        ('{"fallbacks": [{"type": "sms", "status": "delivered"}]}', Fallback.USED),
        ('{"fallbacks": [{"type": "sms", "status": "processing"}]}', Fallback.USED),
        ('{"fallbacks": [{"type": "sms", "status": "queued"}]}', Fallback.USED),
        ('{"fallbacks": [{"type": "sms", "status": "not_used"}, {"type": "email", "status": "sent"}]}', Fallback.USED),
        ('{"fallbacks": [{"type": "sms"}]}', Fallback.UNUSED),
        ('{"fallbacks": [{"type": "sms", "status": null}, {"status": "not_used"}]}', Fallback.UNUSED),
        ('{"fallbacks": [{"status": "delivered"}]}', Fallback.USED),
        ('{"extendedStatuses": {"viber": "delivered", "sms": "not_used"}}', Fallback.UNUSED),
        ('{"extendedStatuses": {"viber": "delivered", "sms": "notused"}}', Fallback.UNUSED),
        ('{"extendedStatuses": {"viber": "delivered", "sms": null}}', Fallback.UNUSED),
        ('{"extendedStatuses": {"viber": "undeliverable", "sms": "delivered"}}', Fallback.USED),
        ('{"extendedStatuses": {"viber": "not_used", "sms": "delivered"}}', Fallback.USED),
        ('{"extendedStatuses": {"viber": "x", "sms": "not_used", "email": "sent"}}', Fallback.USED),
        (
            (
                '{"extendedStatuses": {"viber": "delivered", "sms": "not_used"},'
                ' "fallbacks": [{"type": "sms", "status": "sent"}]}'
            ),
            Fallback.USED,
        ),
        (
            (
                '{"extendedStatuses": {"viber": "undeliverable", "sms": "delivered"},'
                ' "fallbacks": [{"type": "sms", "status": "not_used"}]}'
            ),
            Fallback.USED,
        ),
    ],
)
def test_a_fallback_is_used_when_an_entry_or_a_second_channel_has_a_status_other_than_not_used(
    body: str, expected: Fallback
) -> None:
    assert fallback("viber_otp", answer(body)) is expected


@pytest.mark.parametrize("channel", ["viber_otp", "viber_promo", "viber"])
@pytest.mark.parametrize(
    ("ways_gone", "expected"),
    [
        ({"viber": "delivered", "sms": "not_used", "email": "not_used"}, Fallback.UNUSED),
        ({"viber": "undeliverable", "sms": "delivered", "email": "not_used"}, Fallback.USED),
    ],
)
def test_the_order_of_the_channels_does_not_matter_when_one_is_the_messages_own(
    channel: str, ways_gone: dict[str, str], expected: Fallback
) -> None:
    found = {fallback(channel, ways(*order)) for order in itertools.permutations(ways_gone.items())}
    assert found == {expected}


def test_of_channels_that_are_none_of_the_messages_own_the_first_that_went_is_its_first() -> None:
    assert fallback("unknown", ways(("viber", "delivered"), ("sms", "not_used"))) is Fallback.UNUSED
    assert fallback("unknown", ways(("viber", "undeliverable"), ("sms", "delivered"))) is Fallback.USED
    assert fallback("unknown", ways(("viber", "not_used"))) is Fallback.NONE


@pytest.mark.parametrize(
    ("report", "channel"),
    [
        (ways(), "viber_otp"),
        (ways(fallbacks=(("sms", "delivered"),)), "viber_otp"),
        (ways(("viber", "delivered"), ("sms", "not_used")), "viber"),
        (ways(("viber", "undeliverable"), ("sms", "delivered")), "sms"),
        (ways(("sms", "delivered"), ("viber", "undeliverable")), "sms"),
        (answer('{"extendedStatuses": {"VIBER": "undeliverable", "Email": "Delivered"}}'), "email"),
        (answer('{"extendedStatuses": {"viber": "Seen", "sms": "not_used"}}'), "viber"),
    ],
)
def test_the_delivering_channel_is_the_one_whose_extended_status_is_delivered_else_the_messages_own(
    report: StatusReport, channel: str
) -> None:
    assert via("viber_otp", report) == channel


def answered(seconds_ago: float | None, status: Status = Status.PROCESSING) -> Message:
    at = 0.0 if seconds_ago is None else NOW - seconds_ago
    return Message(
        id="m1", account="a", channel="sms", sent_at=NOW - 9e3, accepted_at=0.0, status=status, answered_at=at
    )


@pytest.mark.parametrize(
    ("seconds_ago", "gap_seconds", "expected"),
    [
        (None, 5.0, Maturity.UNKNOWN),
        (0.1, 5.0, Maturity.PENDING),
        (59.0, 5.0, Maturity.PENDING),
        (61.0, 5.0, Maturity.UNKNOWN),
        (61.0, 100.0, Maturity.PENDING),
        (99.0, 100.0, Maturity.PENDING),
        (101.0, 100.0, Maturity.UNKNOWN),
    ],
)
def test_pending_needs_an_answer_younger_than_the_gap_or_a_minute(
    seconds_ago: float | None, gap_seconds: float, expected: Maturity
) -> None:
    assert maturity(answered(seconds_ago), NOW, gap_seconds) is expected


def test_an_unknown_status_is_pending_too() -> None:
    assert maturity(answered(1.0, Status.UNKNOWN), NOW, 5.0) is Maturity.PENDING


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.DELIVERED, Maturity.DELIVERED),
        (Outcome.UNDELIVERABLE, Maturity.FAILED),
        (Outcome.PERMANENTERROR, Maturity.FAILED),
        (Outcome.TIMEOUT, Maturity.PENDING),
        (Outcome.NOT_FOUND, Maturity.UNKNOWN),
        (Outcome.UNOBSERVED, Maturity.UNKNOWN),
    ],
)
def test_what_ends_before_its_mature_age_matures_as_what_it_ended_as(outcome: Outcome, expected: Maturity) -> None:
    assert matured_by(outcome) is expected

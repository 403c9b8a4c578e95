from __future__ import annotations

import json
from decimal import Decimal

import pytest

from exporter.knowledge import Bounds
from exporter.track import telling
from exporter.track.report import Report

DELIVERED = Report(
    message_id="abc123def456",
    account="main",
    channel="viber_otp",
    status="delivered",
    final=True,
    outcome="delivered",
    cost=Decimal("0.050"),
    currency="USD",
    fallback_used=False,
    via="viber",
    time_to_delivery=Bounds(2.04, 3.06),
)
BY_FALLBACK = Report(
    message_id="m2",
    final=True,
    outcome="delivered",
    cost=Decimal("1E-3"),
    currency="EUR",
    fallback_used=True,
    via="sms",
)
FAILED = Report(message_id="m3", status="undeliverable", final=True, outcome="undeliverable", fallback_used=True)
OPEN = Report(message_id="m4", status="processing", polls=3)
ALL = [DELIVERED, BY_FALLBACK, FAILED, OPEN]

TABLE = """\
id            outcome            time        cost       fallback
abc123def456  delivered          2.0..3.1 s  0.050 USD  no
m2            delivered          -           0.001 EUR  used, via sms
m3            undeliverable      -           -          used
m4            open (processing)  -           -          -

messages       4: 2 delivered, 1 failed, 1 open
delivery rate  50.0%
time           median 2.0..3.1 s, 95th percentile 2.0..3.1 s
cost           0.001 EUR, 0.050 USD"""


def test_the_table_has_a_row_a_message_and_the_numbers_below() -> None:
    assert telling.text(ALL, own_clock=False) == TABLE


def test_times_that_count_from_the_start_of_the_wait_are_said_to() -> None:
    assert telling.text(ALL, own_clock=True) == (
        f"{TABLE}\n"
        "Times count from the start of this command, which does not know when the messages were sent.\n"
        "Delivered before they were first asked about, nobody knows when: 1."
    )


def test_what_is_not_known_takes_no_line() -> None:
    assert telling.text([OPEN], own_clock=True).splitlines()[3:] == [
        "messages       1: 0 delivered, 0 failed, 1 open",
        "delivery rate  0.0%",
    ]


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (DELIVERED, "abc123def456: delivered after 2.0..3.1 s (1/4)"),
        (BY_FALLBACK, "m2: delivered (1/4)"),
        (FAILED, "m3: undeliverable (1/4)"),
    ],
)
def test_a_message_that_ends_has_a_line(report: Report, line: str) -> None:
    assert telling.line(report, 1, 4) == line


def test_json_has_the_names_of_the_api_and_null_for_what_is_not_known() -> None:
    document = json.loads(telling.document(ALL))
    assert list(document) == ["messages", "summary"]
    assert list(document["messages"][0]) == [
        *("messageId", "account", "channel", "status", "final", "outcome", "sentAt", "acceptedAt", "finishedAt"),
        *("polls", "partsCount", "cost", "currency", "rate", "fallbackUsed", "via", "timeToDelivery", "traceId"),
    ]
    assert document["messages"][0]["timeToDelivery"] == {"lowerBound": 2.04, "upperBound": 3.06}
    assert document["messages"][3]["outcome"] is None
    assert document["messages"][3]["cost"] is None
    assert document["summary"] == {
        "messages": 4,
        "delivered": 2,
        "failed": 1,
        "open": 1,
        "deliveryRate": 0.5,
        "timeToDelivery": {
            "median": {"lowerBound": 2.04, "upperBound": 3.06},
            "p95": {"lowerBound": 2.04, "upperBound": 3.06},
        },
        "cost": {"EUR": 0.001, "USD": 0.05},
    }


def test_amounts_in_json_keep_their_last_digit() -> None:
    expensive = Report(message_id="m", cost=Decimal("12345678901234567.10"), currency="USD")
    assert '"cost": 12345678901234567.10' in telling.document([expensive])

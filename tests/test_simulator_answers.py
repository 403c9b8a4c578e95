"""The bytes of simulated status answers, and what the ledger adds up."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal

import pytest

from exporter.simulator import Entry, Ledger, Life, Money, TotalKey, Truth
from exporter.simulator.answers import answer

USED = {"viber": "undeliverable", "sms": "delivered"}
UNUSED = {"viber": "delivered", "sms": "not_used"}


def entry(message_id: str, life: Life, *, account: str = "main", channel: str = "sms") -> Entry:
    return Entry(message_id=message_id, account=account, channel=channel, sent_at=1000.0, draw=lambda: life, list_id=7)


def told(life: Life, place: int) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(answer("m1", 7, life, life.states[place]), parse_float=Decimal)
    return parsed


def test_a_basic_answer_has_no_cost_in_flight_and_the_exact_one_at_the_end() -> None:
    life = Life.scripted([(0, "processing"), (1, "delivered")], cost="0.050", parts=2)
    in_flight = {"messagelistId": 7, "messageId": "m1", "deliverystatus": "processing", "partscount": 2}
    assert told(life, 0) == in_flight
    assert told(life, 1) == in_flight | {"deliverystatus": "delivered", "cost": Decimal("0.050")}
    assert b'"cost":0.050' in answer("m1", 7, life, life.states[1])


def test_an_extended_answer_is_the_documented_one() -> None:
    money = Money(Decimal("0.05"), Decimal("0.05"), Decimal("0.05"), "USD", Decimal("0.05"), "USD")
    life = dataclasses.replace(Life.scripted([(0, "delivered", UNUSED)]), money=money)
    assert json.loads(answer("abc123def456", 123456, life, life.states[0])) == {
        "messagelistId": 123456,
        "messageId": "abc123def456",
        "deliverystatus": "delivered",
        "partscount": 1,
        "cost": 0.05,
        "fallbacks": [{"type": "sms", "status": "not_used"}],
        "extendedStatuses": {"viber": "delivered", "sms": "not_used"},
        "rate": 0.05,
        "rateAmount": 0.05,
        "rateCurrency": "USD",
        "billAmount": 0.05,
        "billCurrency": "USD",
    }


def test_fields_that_a_life_does_not_have_are_missing() -> None:
    life = Life.scripted([(0, "delivered")], parts=None)
    assert json.loads(answer("m1", None, life, life.states[0])) == {"messageId": "m1", "deliverystatus": "delivered"}


def test_numbers_can_be_text_and_statuses_stay_as_they_are_written() -> None:
    life = dataclasses.replace(Life.scripted([(0, "DELIVERED")], cost="0.05"), numbers_as_text=True)
    assert told(life, 0) == {
        "messagelistId": 7,
        "messageId": "m1",
        "deliverystatus": "DELIVERED",
        "partscount": "1",
        "cost": "0.05",
    }


def test_an_entry_answers_404_until_it_is_visible_and_then_the_state_of_the_moment() -> None:
    life = Life.scripted([(0, "scheduled"), (5, "delivered")], visible_after_seconds=2.0)
    message = entry("m1", life)
    assert message.answer_at(999.0) is None
    assert message.answer_at(1001.9) is None
    assert b'"scheduled"' in (message.answer_at(1002.0) or b"")
    assert b'"delivered"' in (message.answer_at(1005.0) or b"")
    assert b'"scheduled"' in (message.answer_at(1004.9) or b"")


def test_totals_add_up_exactly_by_account_channel_ending_and_fallback() -> None:
    ledger = Ledger(keep_arrivals=True)
    for number in range(3):
        ledger.add(entry(f"d{number}", Life.scripted([(0, "delivered")], cost="0.10", parts=2)))
    money = Money(Decimal("0.2"), None, Decimal("0.2"), "USD", Decimal("8.30"), "UAH")
    life = dataclasses.replace(Life.scripted([(0, "processing", UNUSED), (9, "delivered", USED)]), money=money)
    ledger.add(entry("used", life, channel="viber_otp"))
    ledger.add(entry("unused", Life.scripted([(0, "delivered", UNUSED)]), channel="viber_otp"))
    ledger.add(entry("never", Life.scripted([(0, "processing")], cost="9"), account="other"))
    totals = ledger.totals()
    assert {key: (total.messages, total.parts, total.cost) for key, total in totals.items()} == {
        TotalKey("main", "sms", Truth.DELIVERED, "none"): (3, 6, Decimal("0.30")),
        TotalKey("main", "viber_otp", Truth.DELIVERED, "used"): (1, 1, Decimal("0.2")),
        TotalKey("main", "viber_otp", Truth.DELIVERED, "unused"): (1, 1, Decimal(0)),
        TotalKey("other", "sms", Truth.NEVER, "none"): (1, 1, Decimal(0)),
    }
    assert totals[TotalKey("main", "viber_otp", Truth.DELIVERED, "used")].bill_amounts == {"UAH": Decimal("8.30")}


def test_totals_up_to_a_moment_leave_out_what_ends_later() -> None:
    ledger = Ledger(keep_arrivals=True)
    ledger.add(entry("early", Life.scripted([(0, "processing"), (5, "delivered")])))
    ledger.add(entry("late", Life.scripted([(0, "processing"), (6, "delivered")])))
    assert sum(total.messages for total in ledger.totals(ended_by=1005.0).values()) == 1


def test_forgotten_messages_are_gone_but_stay_in_the_totals() -> None:
    ledger = Ledger(keep_arrivals=True)
    ledger.add(entry("old", Life.scripted([(0, "processing"), (5, "delivered")], cost="0.05")))
    ledger.add(entry("new", Life.scripted([(0, "processing"), (50, "delivered")], cost="0.05")))
    before = ledger.totals()
    assert ledger.forget_unchanged_since(1020.0) == 1
    assert ledger.find("main", "old") is None
    assert ledger.find("main", "new") is not None
    assert ledger.totals() == before
    assert ledger.totals() == before, "showing totals must not change them"


def test_a_message_is_added_once() -> None:
    ledger = Ledger(keep_arrivals=True)
    life = Life.scripted([(0, "delivered")])
    ledger.add(entry("m1", life))
    ledger.add(entry("m1", life, account="other"))
    with pytest.raises(ValueError, match="m1 is known"):
        ledger.add(entry("m1", life))


def test_the_smallest_gap_is_between_calls_about_the_same_message() -> None:
    ledger = Ledger(keep_arrivals=True)
    first, second = (entry(name, Life.scripted([(0, "delivered")])) for name in ("m1", "m2"))
    ledger.add(first)
    ledger.add(second)
    assert ledger.smallest_gap_seconds() == float("inf")
    for message, at in ((first, 0.0), (second, 0.5), (first, 3.0), (second, 2.0)):
        ledger.arrived("main", message, at)
    assert ledger.smallest_gap_seconds() == 1.5
    assert (first.calls, list(first.arrivals or ())) == (2, [0.0, 3.0])
    assert list(ledger.account_arrivals["main"]) == [0.0, 0.5, 3.0, 2.0]

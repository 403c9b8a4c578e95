from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exporter.message import Amount, Anomaly, Failure, NotFound, PollResult, Reading, Status, StatusReport
from exporter.reading import MAX_BODY_BYTES, StatusWords, read

ID = "abc123def456"
ALIASES = {"sent": "processing", "read": "delivered", "seen": "delivered", "expired": "undeliverable"}
BASIC: dict[str, Any] = {
    "messagelistId": 123456,
    "messageId": ID,
    "deliverystatus": "delivered",
    "partscount": 1,
    "cost": 0.05,
}
EXTENDED: dict[str, Any] = BASIC | {
    "fallbacks": [{"type": "sms", "status": "not_used"}],
    "extendedStatuses": {"viber": "delivered", "sms": "not_used"},
    "rate": 0.05,
    "rateAmount": 0.05,
    "rateCurrency": "USD",
    "billAmount": 0.06,
    "billCurrency": "EUR",
}
BASIC_REPORT = StatusReport(status=Status.DELIVERED, parts=1, cost=Decimal("0.05"))
EXTENDED_REPORT = StatusReport(
    status=Status.DELIVERED,
    parts=1,
    cost=Decimal("0.05"),
    fallbacks=(("sms", "not_used"),),
    channels=(("viber", "delivered"), ("sms", "not_used")),
    rate=Decimal("0.05"),
    rate_amount=Amount(Decimal("0.05"), "USD"),
    bill_amount=Amount(Decimal("0.06"), "EUR"),
)
REPORT_WITHOUT: dict[str, dict[str, Any]] = {
    "messagelistId": {},
    "messageId": {},
    "deliverystatus": {"status": Status.UNKNOWN},
    "partscount": {"parts": None},
    "cost": {"cost": None},
    "fallbacks": {"fallbacks": ()},
    "extendedStatuses": {"channels": ()},
    "rate": {"rate": None},
    "rateAmount": {"rate_amount": None},
    "rateCurrency": {"rate_amount": Amount(Decimal("0.05"), None)},
    "billAmount": {"bill_amount": None},
    "billCurrency": {"bill_amount": Amount(Decimal("0.06"), None)},
}

WRONG_TYPES: dict[str, list[object]] = {
    "messageId": [1.5, True, [], {}],
    "deliverystatus": [1, False, [], {}],
    "partscount": [True, [], {}, [1]],
    "cost": [False, [], {}, [0.05]],
    "rate": [True, {"amount": 1}],
    "billAmount": [True, []],
    "rateCurrency": [1, ["USD"]],
    "fallbacks": ["sms", {}, 1, [1], ["sms"], [{"type": 1}], [{"status": []}]],
    "extendedStatuses": ["viber", [1], 1, {"viber": 1}, {"viber": {}}],
}


def reading(body: bytes | str | dict[str, Any], code: int = 200) -> Reading:
    if isinstance(body, dict):
        body = json.dumps(body)
    return read(code, body.encode() if isinstance(body, str) else body, ID, StatusWords(ALIASES))


def report(body: bytes | str | dict[str, Any]) -> StatusReport:
    found = reading(body)
    assert isinstance(found, StatusReport), found
    return found


def unreadable(anomaly: Anomaly) -> Failure:
    return Failure(PollResult.UNREADABLE, anomaly, 200)


def test_the_basic_answer_is_read() -> None:
    assert reading(BASIC) == BASIC_REPORT


def test_the_extended_answer_is_read() -> None:
    assert reading(EXTENDED) == EXTENDED_REPORT


@pytest.mark.parametrize("field", EXTENDED)
def test_every_field_may_be_missing_or_null(field: str) -> None:
    expected = msgspec.structs.replace(EXTENDED_REPORT, **REPORT_WITHOUT[field])
    missing = {name: value for name, value in EXTENDED.items() if name != field}
    assert reading(missing) == expected
    assert reading(EXTENDED | {field: None}) == expected


def test_numbers_may_come_as_text() -> None:
    numbers = ("messagelistId", "partscount", "cost", "rate", "rateAmount", "billAmount")
    assert reading(EXTENDED | {name: str(EXTENDED[name]) for name in numbers}) == EXTENDED_REPORT


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        ("0.1", "0.1"),
        ("0.10", "0.1"),
        ("1", "1"),
        ("1e-3", "0.001"),
        ('"0.123456789012"', "0.123456789012"),
        ("0.00", "0"),
        ("-0.0", "0"),
        ("999999999.99", "999999999.99"),
        ("0.30000000000000004", "0.30000000000000004"),
    ],
)
def test_amounts_are_exact_decimals(number: str, amount: str) -> None:
    assert report(f'{{"cost": {number}}}').cost == Decimal(amount)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("scheduled", Status.SCHEDULED),
        ("processing", Status.PROCESSING),
        ("delivered", Status.DELIVERED),
        ("undeliverable", Status.UNDELIVERABLE),
        ("permanenterror", Status.PERMANENTERROR),
        ("DELIVERED", Status.DELIVERED),
        ("PermanentError", Status.PERMANENTERROR),
        (" Delivered ", Status.DELIVERED),
        ("Sent", Status.PROCESSING),
        ("seen", Status.DELIVERED),
        ("EXPIRED", Status.UNDELIVERABLE),
        ("", Status.UNKNOWN),
        ("accepted", Status.UNKNOWN),
        ("unknown", Status.UNKNOWN),
        ("failed", Status.UNKNOWN),
        ("deliveredd", Status.UNKNOWN),
        ("доставлено", Status.UNKNOWN),
        ("x" * 60_000, Status.UNKNOWN),
    ],
)
def test_a_status_is_one_of_the_five_in_any_case_or_an_alias_of_one_else_unknown(word: str, status: Status) -> None:
    assert reading({"messageId": ID, "deliverystatus": word}) == StatusReport(status=status)


def test_an_alias_gives_no_other_meaning_to_one_of_the_five() -> None:
    assert StatusWords({"delivered": "processing"}).status("Delivered") is Status.DELIVERED


@pytest.mark.parametrize("word", ["not_used", "Not-Used", "NOT USED", "notused", "NotUsed", " not_used ", "not-used"])
def test_not_used_is_understood_in_every_spelling(word: str) -> None:
    found = report({"fallbacks": [{"type": "SMS", "status": word}], "extendedStatuses": {"Viber": word}})
    assert (found.fallbacks, found.channels) == ((("sms", "not_used"),), (("viber", "not_used"),))


def test_a_fallback_entry_may_lack_its_type_and_its_status() -> None:
    found = report({"fallbacks": [{}, {"type": "sms"}, {"status": "sent"}], "extendedStatuses": {"viber": None}})
    assert found.fallbacks == (("", ""), ("sms", ""), ("", "processing"))
    assert found.channels == (("viber", ""),)


@pytest.mark.parametrize(
    ("given", "kept"), [("usd", "USD"), (" UAH ", "UAH"), ("US", None), ("DOLLAR", None), ("U$D", None), ("", None)]
)
def test_a_currency_is_three_letters_or_none(given: str, kept: str | None) -> None:
    assert report({"billAmount": 1, "billCurrency": given}).bill_amount == Amount(Decimal(1), kept)


@pytest.mark.parametrize("field", ["cost", "rate", "rateAmount", "billAmount"])
def test_a_negative_amount_is_left_out_and_noted_and_the_rest_is_read(field: str) -> None:
    found = report(BASIC | {field: -0.01})
    assert found.anomalies == (Anomaly.NEGATIVE_COST,)
    assert (found.status, found.parts) == (Status.DELIVERED, 1)
    assert getattr(found, {"rateAmount": "rate_amount", "billAmount": "bill_amount"}.get(field, field)) is None


@pytest.mark.parametrize(
    "number", ["1e400", "1e-400", "1e999999", "1" * 30, "9" * 5000, '"1e400"', "1000000000.01", "0." + "1" * 25]
)
def test_an_amount_that_cannot_be_added_up_exactly_is_left_out_and_noted(number: str) -> None:
    found = report(f'{{"deliverystatus": "delivered", "cost": {number}}}')
    assert found == StatusReport(status=Status.DELIVERED, anomalies=(Anomaly.OUT_OF_RANGE,))


@pytest.mark.parametrize(("number", "parts"), [("0", 0), ('"3"', 3), ("2.0", 2), ("10000", 10_000)])
def test_parts_are_a_whole_number(number: str, parts: int) -> None:
    assert report(f'{{"partscount": {number}}}') == StatusReport(status=Status.UNKNOWN, parts=parts)


@pytest.mark.parametrize("number", ["-1", "1.5", "10001", "1e400", "1e-400", "9" * 5000])
def test_parts_that_no_message_can_have_are_left_out_and_noted(number: str) -> None:
    found = report(f'{{"partscount": {number}}}')
    assert found == StatusReport(status=Status.UNKNOWN, anomalies=(Anomaly.OUT_OF_RANGE,))


def test_each_kind_of_anomaly_is_noted_once_an_answer() -> None:
    assert report({"cost": -1, "rate": -1, "partscount": -1}).anomalies.count(Anomaly.NEGATIVE_COST) == 1


@pytest.mark.parametrize(
    ("body", "anomaly"),
    [
        (b"", Anomaly.NOT_JSON),
        (b" ", Anomaly.NOT_JSON),
        (b"<html><body>502 Bad Gateway</body></html>", Anomaly.NOT_JSON),
        (json.dumps(EXTENDED).encode()[:-1], Anomaly.NOT_JSON),
        (json.dumps(BASIC).encode()[:20], Anomaly.NOT_JSON),
        (json.dumps(BASIC).encode() + b"x", Anomaly.NOT_JSON),
        (b'{"cost": NaN}', Anomaly.NOT_JSON),
        (b'{"cost": -Infinity}', Anomaly.NOT_JSON),
        (b'\xef\xbb\xbf{"cost": 1}', Anomaly.NOT_JSON),
        (b"\x1f\x8b\x08\x00\x00", Anomaly.NOT_JSON),
        (b'{"messageId": "\xff"}', Anomaly.NOT_UTF8),
        (b'{"deliverystatus": "\xc3\x28"}', Anomaly.NOT_UTF8),
        (b'{"x": ' + b"[" * 60_000, Anomaly.NOT_JSON),
        (b'{"x": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", Anomaly.NOT_JSON),
        (b"{}", Anomaly.NOT_AN_ANSWER),
        (b'{"error": {"code": 1}}', Anomaly.NOT_AN_ANSWER),
        (b'{"messageid": "abc123def456"}', Anomaly.NOT_AN_ANSWER),
        (b"null", Anomaly.WRONG_TYPE),
        (b"[]", Anomaly.WRONG_TYPE),
        (b'"delivered"', Anomaly.WRONG_TYPE),
        (b"1", Anomaly.WRONG_TYPE),
        (json.dumps([BASIC]).encode(), Anomaly.WRONG_TYPE),
        (b'{"messageId": ' + b"9" * 5000 + b"}", Anomaly.WRONG_TYPE),
        (b'{"cost": 1e9999999999999999999999}', Anomaly.WRONG_TYPE),
        (b'{"x": "' + b"a" * MAX_BODY_BYTES + b'"}', Anomaly.TOO_LARGE),
    ],
)
def test_bytes_that_are_no_answer_are_unreadable_for_a_reason(body: bytes, anomaly: Anomaly) -> None:
    assert reading(body) == unreadable(anomaly)


@pytest.mark.parametrize("text", ["NaN", "nan", "-NaN", "sNaN", "NaN123", "Infinity", "-inf", "", "0,05", "free"])
@pytest.mark.parametrize("field", ["messagelistId", "partscount", "cost", "rate", "rateAmount", "billAmount"])
def test_text_that_is_no_number_is_the_wrong_type(field: str, text: str) -> None:
    assert reading(BASIC | {field: text}) == unreadable(Anomaly.WRONG_TYPE)


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in WRONG_TYPES.items() for value in values]
)
def test_a_field_of_the_wrong_type_makes_an_answer_unreadable(field: str, value: object) -> None:
    assert reading(EXTENDED | {field: value}) == unreadable(Anomaly.WRONG_TYPE)


@pytest.mark.parametrize("other", ["abc123def457", "", "ABC123DEF456", 7, -7])
def test_an_answer_about_another_message_is_unreadable(other: object) -> None:
    assert reading(BASIC | {"messageId": other}) == unreadable(Anomaly.ID_MISMATCH)


def test_an_id_may_come_as_a_number() -> None:
    body = b'{"messageId": 123456789012345678901234567890, "deliverystatus": "delivered"}'
    found = read(200, body, "123456789012345678901234567890", StatusWords({}))
    assert found == StatusReport(status=Status.DELIVERED)


def test_of_a_field_given_twice_the_last_one_counts() -> None:
    assert report('{"deliverystatus": "processing", "deliverystatus": "delivered"}').status is Status.DELIVERED


def test_a_body_of_just_the_longest_size_is_read() -> None:
    text = json.dumps(BASIC)
    assert reading(text + " " * (MAX_BODY_BYTES - len(text))) == BASIC_REPORT
    assert reading(text + " " * (MAX_BODY_BYTES - len(text) + 1)) == unreadable(Anomaly.TOO_LARGE)


@pytest.mark.parametrize("code", [200, 201, 202, 203, 206, 299])
def test_every_2xx_but_204_is_an_answer(code: int) -> None:
    assert reading(BASIC, code) == BASIC_REPORT


def test_404_means_that_the_api_knows_no_such_message() -> None:
    assert reading(BASIC, 404) == NotFound()


@pytest.mark.parametrize(
    ("code", "result"),
    [(401, PollResult.UNAUTHORIZED), (403, PollResult.UNAUTHORIZED), (429, PollResult.RATE_LIMITED)]
    + [(code, PollResult.CLIENT_ERROR) for code in (400, 402, 405, 408, 410, 415, 418, 422, 451, 499)]
    + [(code, PollResult.SERVER_ERROR) for code in (500, 501, 502, 503, 504, 599)],
)
def test_an_error_code_is_a_failed_call_whatever_its_body_says(code: int, result: PollResult) -> None:
    assert reading(BASIC, code) == reading(b"", code) == Failure(result, None, code)


@pytest.mark.parametrize("code", [-1, 0, 100, 101, 199, 204, 300, 301, 302, 304, 307, 399, 600, 999])
def test_204_and_codes_that_answer_nothing_are_unreadable(code: int) -> None:
    assert reading(BASIC, code) == Failure(PollResult.UNREADABLE, Anomaly.UNEXPECTED_CODE, code)


def test_an_empty_map_may_come_as_an_empty_list() -> None:
    assert report({"deliverystatus": "delivered", "extendedStatuses": []}).channels == ()

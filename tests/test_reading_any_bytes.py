"""Whatever SMSBat answers, reading says what it is: it never raises, and what it returns is bounded."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import assert_never

from hypothesis import given
from hypothesis import strategies as st

from exporter.message import Failure, NotFound, PollResult, Reading, Status, StatusReport
from exporter.reading import StatusWords, read

ID = "abc123def456"
WORDS = StatusWords({"sent": "processing", "seen": "delivered"})
VALID = json.dumps(
    {
        "messagelistId": 123456,
        "messageId": ID,
        "deliverystatus": "delivered",
        "partscount": 1,
        "cost": 0.05,
        "fallbacks": [{"type": "sms", "status": "not_used"}],
        "extendedStatuses": {"viber": "delivered", "sms": "not_used"},
        "rate": 0.05,
        "rateAmount": 0.05,
        "rateCurrency": "USD",
        "billAmount": "0.05",
        "billCurrency": "USD",
    }
).encode()
NAMES = (*json.loads(VALID), "status")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.decimals(allow_nan=True, allow_infinity=True).map(str)
    | st.sampled_from(["delivered", "processing", "not_used", "NaN", "sNaN", "1e400", "Infinity", ID, 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)

inserted = st.sampled_from([b"9" * 5000, b'"', b"NaN", b"-", b"null", b"e99", b"{", b"]"])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Give the valid answer with a few bytes cut out, flipped, put in or doubled."""
    body = bytearray(VALID)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 12))
        kind = draw(st.sampled_from(["cut", "flip", "insert", "double"]))
        if kind == "cut":
            del body[at : at + length]
        elif kind == "flip" and at < len(body):
            body[at] ^= draw(st.integers(1, 255))
        elif kind == "insert":
            body[at:at] = draw(
                st.binary(max_size=8) | st.sampled_from([b"9" * 5000, b'"', b"NaN", b"-", b"null", b"e99"])
            )
        else:
            body[at:at] = body[at : at + length]
    return bytes(body)


def check(found: Reading) -> None:
    """A reading is one of three things, and a report only holds what can be counted, summed and shown."""
    match found:
        case NotFound():
            pass
        case Failure():
            assert (found.anomaly is not None) == (found.result is PollResult.UNREADABLE)
        case StatusReport():
            check_report(found)
        case _:
            assert_never(found)


def check_report(report: StatusReport) -> None:
    assert report.status is not Status.ACCEPTED
    assert report.parts is None or (type(report.parts) is int and 0 <= report.parts <= 10_000)
    money = (report.rate_amount, report.bill_amount)
    for amount in (report.cost, report.rate, *(one.value for one in money if one)):
        assert amount is None or (amount.is_finite() and 0 <= amount <= Decimal(10) ** 9)
    for one in money:
        assert one is None or one.currency is None or (len(one.currency) == 3 and one.currency.isupper())
    for entries in (report.fallbacks, report.channels):
        assert len(entries) <= 16
        assert all(len(text) <= 64 for entry in entries for text in entry)
    assert len(report.anomalies) == len(set(report.anomalies))


@given(st.integers(), st.binary(max_size=200))
def test_any_code_with_any_bytes_has_a_reading(code: int, body: bytes) -> None:
    check(read(code, body, ID, WORDS))


@given(st.integers(200, 299) | st.sampled_from([404, 500]), mutated())
def test_a_valid_answer_that_was_damaged_has_a_reading(code: int, body: bytes) -> None:
    check(read(code, body, ID, WORDS))


@given(json_values, st.booleans())
def test_any_json_has_a_reading(value: object, escaped: bool) -> None:  # noqa: FBT001 (Hypothesis fills it)
    check(read(200, json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"), ID, WORDS))


@given(st.dictionaries(st.sampled_from(NAMES), json_values))
def test_any_values_of_the_known_fields_have_a_reading(fields: dict[str, object]) -> None:
    check(read(200, json.dumps(fields).encode(), ID, WORDS))


@given(st.integers(1, 20_000), st.integers(1, 64_000))
def test_a_long_answer_makes_a_short_report(entries: int, length: int) -> None:
    word = "x" * (length // entries)
    body = json.dumps({"fallbacks": [{"type": word, "status": word}] * entries, "deliverystatus": "x" * length})
    check(read(200, body.encode(), ID, WORDS))


@given(st.text(max_size=200))
def test_a_status_word_has_one_spelling_of_bounded_length(word: str) -> None:
    plain = WORDS.text(word)
    assert len(plain) <= 64
    assert WORDS.text(plain) == plain or plain in {"processing", "delivered"}
    assert WORDS.status(word) is WORDS.status(word.upper().lower()) or not word.isascii()

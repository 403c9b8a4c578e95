"""A message in JSON: what it offers, and what is no message."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.admission import Offer
from exporter.intake.wire import UnusableError, WireMessage, offer

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def decode(**given: object) -> WireMessage:
    return msgspec.json.decode(json.dumps({"messageId": "m1", **given}), type=WireMessage)


def offered(**given: object) -> Offer:
    return offer(decode(**given), "main")


def test_an_id_is_enough() -> None:
    assert offered() == Offer(id="m1", account="main")


def test_every_field_is_offered_and_unknown_ones_are_ignored() -> None:
    full = offered(
        account="other",
        channel="sms",
        sentAt="2026-01-23T12:30:00.5+02:00",
        ttl=300,
        labels={"campaign": "spring"},
        traceparent=PARENT,
        to="+380501234567",
    )
    assert full == Offer(
        id="m1",
        account="other",
        channel="sms",
        sent_at=1769164200.5,
        ttl=300.0,
        labels={"campaign": "spring"},
        traceparent=PARENT,
    )


@pytest.mark.parametrize("name", ["account", "channel", "sentAt", "ttl", "traceparent"])
def test_null_is_the_same_as_leaving_a_field_out(name: str) -> None:
    assert offered(**{name: None}) == Offer(id="m1", account="main")


@pytest.mark.parametrize(
    "given",
    [
        {"messageId": 7},
        {"messageId": None},
        {"account": 1},
        {"channel": ["sms"]},
        {"sentAt": 1769164200},
        {"ttl": "300"},
        {"ttl": True},
        {"labels": {"campaign": 1}},
        {"labels": ["spring"]},
        {"traceparent": 0},
    ],
)
def test_wrong_types_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(**given)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-24", "2026-01-24T10:30:00", "2026-02-30T10:30:00Z", "1769164200"]
)
def test_a_send_time_that_is_none_or_has_no_offset_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UnusableError, match=r"^sentAt must be a time") as refused:
        offered(sentAt=text)
    assert not text or text not in str(refused.value)


@given(st.text() | st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](Z|[+-][0-9:]{5})"))
def test_any_text_as_a_send_time_is_a_time_or_refused(text: str) -> None:
    try:
        sent_at = offered(sentAt=text).sent_at
    except UnusableError:
        return
    assert isinstance(sent_at, float)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        PARENT.upper(),
        PARENT + "-00",
        PARENT + "\n",
        " " + PARENT,
        PARENT.replace("00-4", "ff-4"),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
    ],
)
def test_a_traceparent_that_is_none_is_dropped(text: str) -> None:
    assert offered(traceparent=text) == Offer(id="m1", account="main")

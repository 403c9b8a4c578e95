"""What is tracked of a send, whatever request and answer look like."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.intake.relay.tracking import Sending, Sent, count, sent

SENDING = Sending(account="main", sent_at=5.0, labels={"campaign": "spring"}, traceparent="00-x")


def came(asked: object, told: object) -> Sent:
    found = sent(json.dumps({"messages": asked}).encode(), json.dumps({"messages": told}).encode(), SENDING)
    assert found is not None
    return found


def channels(asked: object, told: object) -> dict[str, str | None]:
    return {offer.id: offer.channel for offer in came(asked, told).offers}


def accepted(message_id: object, **more: object) -> dict[str, object]:
    return {"messageId": message_id, "status": "accepted", **more}


def test_an_accepted_message_is_offered_with_all_that_is_known_of_it() -> None:
    (offer,) = came([{"type": "sms", "ttl": 300, "to": "+380"}], [accepted("m1", parts=1)]).offers
    assert (offer.id, offer.account, offer.channel, offer.ttl) == ("m1", "main", "sms", 300.0)
    assert (offer.sent_at, offer.labels, offer.traceparent) == (5.0, {"campaign": "spring"}, "00-x")


@pytest.mark.parametrize(
    ("status", "taken"),
    [("accepted", 1), ("ACCEPTED", 1), (" Accepted ", 1), ("rejected", 0), ("failed", 0), ("", 0), (None, 0), (1, 0)],
)
def test_what_is_not_accepted_is_refused(status: object, taken: int) -> None:
    found = came([{}], [{"messageId": "m1", "status": status}])
    assert (len(found.offers), found.refused) == (taken, 1 - taken)


def test_entries_match_by_place() -> None:
    asked = [{"type": "sms"}, {"type": "rcs"}, {"type": "flashcall"}]
    told = [accepted("m1"), {"messageId": "m2", "status": "rejected"}, accepted("m3")]
    assert channels(asked, told) == {"m1": "sms", "m3": "flashcall"}


def test_the_customers_own_ids_go_before_places() -> None:
    asked = [{"type": "sms", "customerMessageId": "a"}, {"type": "rcs", "customerMessageId": "b"}]
    told = [accepted("m2", customerMessageId="b"), accepted("m1", customerMessageId="a")]
    assert channels(asked, told) == {"m1": "sms", "m2": "rcs"}


def test_places_tell_nothing_when_messages_are_missing() -> None:
    asked = [{"type": "sms", "customerMessageId": "a"}, {"type": "rcs", "customerMessageId": 7}, {"type": "rcs"}]
    told = [accepted("m2", customerMessageId="7"), accepted("m1")]
    assert channels(asked, told) == {"m1": None, "m2": "rcs"}


def test_an_own_id_that_contradicts_the_place_is_believed() -> None:
    asked = [{"type": "sms", "customerMessageId": "a"}]
    assert channels(asked, [accepted("m1", customerMessageId="z")]) == {"m1": None}


def test_an_own_id_given_twice_is_told_apart_by_the_place() -> None:
    asked = [{"type": "sms", "customerMessageId": "a"}, {"type": "rcs", "customerMessageId": "a"}]
    told = [accepted("m1", customerMessageId="a"), accepted("m2", customerMessageId="a")]
    assert channels(asked, told) == {"m1": "sms", "m2": "rcs"}


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        (300, 300.0),
        ("300", 300.0),
        (0.5, 0.5),
        (31 * 86_400, 30 * 86_400.0),
        ("inf", 30 * 86_400.0),
        (None, None),
        (0, None),
        (-1, None),
        ("soon", None),
        ("nan", None),
        ("", None),
        ([], None),
        ({}, None),
        ("9" * 5_000 + "x", None),
    ],
)
def test_an_odd_ttl_costs_nobody_the_tracking(ttl: object, seconds: float | None) -> None:
    (offer,) = came([{"ttl": ttl}], [accepted("m1")]).offers
    assert offer.ttl == seconds


@pytest.mark.parametrize("request_", [None, b"", b"x", b"[]", b"{}", b'{"messages": 1}', b'{"messages": [1]}', b"\xff"])
def test_messages_of_an_unreadable_request_are_tracked_all_the_same(request_: bytes | None) -> None:
    found = sent(request_, b'{"messages": [{"messageId": 7, "status": "accepted"}]}', SENDING)
    assert found is not None
    assert [(offer.id, offer.channel) for offer in found.offers] == [("7", None)]
    assert count(request_) == 1


@pytest.mark.parametrize("answer", [None, b"", b"<html>", b"[]", b"{}", b'{"messages": null}', b"\xff", b"[" * 100_000])
def test_an_unreadable_answer_is_none(answer: bytes | None) -> None:
    assert sent(b'{"messages": []}', answer, SENDING) is None


def test_a_text_that_was_cut_inside_an_emoji_costs_nobody_channel_and_ttl() -> None:
    request = rb'{"messages": [{"type": "sms", "text": "\ud83d"}, {"type": "rcs", "ttl": 60, "text": "whole"}]}'
    found = sent(request, json.dumps({"messages": [accepted("m1"), accepted("m2")]}).encode(), SENDING)
    assert found is not None
    assert [(offer.channel, offer.ttl) for offer in found.offers] == [("sms", None), ("rcs", 60.0)]


def test_the_messages_of_a_request_are_counted() -> None:
    assert count(b'{"messages": [{}, {"to": "+380"}]}') == 2
    assert count(b'{"messages": []}') == 1


@pytest.mark.parametrize("message_id", [None, [], {}, 1.5])
def test_an_id_that_is_none_is_left_to_the_door(message_id: object) -> None:
    (offer,) = came([{}], [accepted(message_id)]).offers
    assert offer.id == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "messageId": JSON,
            "status": st.just("accepted") | JSON,
            "customerMessageId": JSON,
            "type": JSON,
            "ttl": JSON,
        },
    ),
    max_size=4,
)


@given(ENTRIES, ENTRIES)
def test_any_send_can_be_read(asked: list[dict[str, Any]], told: list[dict[str, Any]]) -> None:
    found = came(asked, told)
    assert len(found.offers) + found.refused == len(told)
    assert all(offer.ttl is None or (offer.ttl > 0 and math.isfinite(offer.ttl)) for offer in found.offers)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_any_bytes_are_read_or_not(asked: bytes, told: bytes) -> None:
    assert count(asked) >= 1
    assert isinstance(sent(asked, told, SENDING), Sent | None)

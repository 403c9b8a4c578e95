"""Messages and calls as OpenTelemetry's spans: names, parents, times, attributes, events, status."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, StatusCode

from exporter.labels import Words
from exporter.message import Ending, Fallback, Message, Outcome, PollResult, Status, StatusReport
from exporter.trace_ids import TraceIds, ids_of
from exporter.traced import MessageTrace, PollTrace, Step
from exporter.tracing.spans import Server, message_span, poll_span, server_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SENT = 1_800_000_000.25
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
RESOURCE = Resource({"service.name": "test"})
WORDS = Words(frozenset({"own"}))
MESSAGE = Message(
    id="m1",
    account="main",
    channel="viber_otp",
    sent_at=SENT,
    accepted_at=SENT + 0.5,
    labels=(("campaign", "private"),),
    polls=3,
    sampled=True,
)
CHILD = msgspec.structs.replace(MESSAGE, traceparent=f"00-{TRACE}-{PARENT}-01")
PHONE = "+380501234567"


def ended(outcome: Outcome = Outcome.DELIVERED, **more: Any) -> Ending:  # noqa: ANN401
    return Ending(
        outcome=outcome,
        at=SENT + 9,
        fallback=more.pop("fallback", Fallback.NONE),
        lower_seconds=6.0,
        upper_seconds=8.5,
        report=StatusReport(status=more.pop("status", Status.DELIVERED), **more) if more else None,
    )


def life(ending: Ending | None, *steps: Step, **changes: Any) -> ReadableSpan:  # noqa: ANN401
    message = msgspec.structs.replace(MESSAGE, **changes)
    return message_span(MessageTrace(message=message, ending=ending, ended_at=SENT + 8.5, steps=steps), WORDS, RESOURCE)


SERVER = server_of("https://sms.example/api/")


def poll(
    result: PollResult = PollResult.UNCHANGED,
    code: int | None = 200,
    server: Server | None = SERVER,
    status: Status | None = Status.PROCESSING,
) -> ReadableSpan:
    told = PollTrace(
        message=CHILD,
        ids=TraceIds(TRACE, "00f067aa0ba902b7"),
        started_at=SENT + 3,
        arrived_at=SENT + 3.125,
        code=code,
        result=result,
        status=status,
    )
    return poll_span(told, server, RESOURCE)


def events(span: ReadableSpan) -> list[tuple[str, float, dict[str, object]]]:
    return [
        (each.name, (each.timestamp or 0) // 1000 / 1e6 - SENT, dict(each.attributes or {})) for each in span.events
    ]


def test_a_messages_span_lasts_from_its_send_time_to_its_end() -> None:
    span = life(ended())
    assert (span.name, span.kind) == ("smsbat message", SpanKind.INTERNAL)
    assert (span.start_time, span.end_time) == (1_800_000_000_250_000_000, 1_800_000_008_750_000_000)
    assert span.resource is RESOURCE
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "smsbat-exporter"


def test_a_messages_span_has_the_derived_ids_and_no_parent_of_its_own() -> None:
    span = life(ended())
    assert span.context is not None
    assert (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") == (
        ids_of(MESSAGE).trace_id,
        ids_of(MESSAGE).span_id,
    )
    assert span.context.trace_flags.sampled
    assert span.parent is None


def test_a_messages_span_is_a_child_of_the_span_it_was_sent_in() -> None:
    span = life(ended(), traceparent=CHILD.traceparent)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.parent.is_remote


def test_a_messages_span_says_how_it_ended_and_what_it_cost() -> None:
    ending = ended(
        fallback=Fallback.USED,
        parts=2,
        cost=Decimal("0.0515"),
        channels=(("viber", "undeliverable"), ("sms", "delivered")),
    )
    assert life(ending, status=Status.DELIVERED).attributes == {
        "messaging.system": "smsbat",
        "messaging.message.id": "m1",
        "account": "main",
        "channel": "viber_otp",
        "outcome": "delivered",
        "polls": 3,
        "fallback": "used",
        "time_to_delivery.lower_bound": 6.0,
        "time_to_delivery.upper_bound": 8.5,
        "parts": 2,
        "cost": 0.0515,
        "via": "sms",
    }


def test_each_status_is_an_event_at_the_time_it_was_seen_and_the_final_one_at_the_end() -> None:
    steps = (Step(SENT + 2, Status.SCHEDULED), Step(SENT + 4, Status.PROCESSING), Step(SENT + 8.75, Status.UNKNOWN))
    ending = ended(parts=1, fallbacks=(("sms", "delivered"), ("email", "not_used"), ("viber", "")))
    assert events(life(ending, *steps, status=Status.DELIVERED)) == [
        ("status", 2.0, {"status": "scheduled"}),
        ("status", 4.0, {"status": "processing"}),
        ("status", 8.5, {"status": "unknown"}),
        ("fallback", 8.5, {"type": "sms", "status": "delivered"}),
        ("status", 8.5, {"status": "delivered"}),
    ]


def test_words_that_only_an_answer_brings_are_not_passed_on() -> None:
    ending = ended(
        fallbacks=((PHONE, "delivered"), ("own", PHONE)), channels=((PHONE, "delivered"),), parts=1, cost=Decimal(1)
    )
    span = life(ending, status=Status.DELIVERED)
    assert PHONE not in span.to_json()
    assert span.attributes is not None
    assert span.attributes["via"] == "other"
    assert events(span)[:2] == [
        ("fallback", 8.5, {"type": "other", "status": "delivered"}),
        ("fallback", 8.5, {"type": "own", "status": "other"}),
    ]


def test_configured_labels_are_no_attributes() -> None:
    assert "private" not in life(ended()).to_json()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_but_delivered_is_an_error(outcome: Outcome) -> None:
    status = life(ended(outcome)).status
    assert status.status_code is (StatusCode.UNSET if outcome is Outcome.DELIVERED else StatusCode.ERROR)
    assert status.description == (None if outcome is Outcome.DELIVERED else outcome.value)


def test_an_end_without_an_answer_says_what_is_known() -> None:
    span = life(ended(Outcome.UNOBSERVED, fallback=Fallback.UNKNOWN), Step(SENT + 2, Status.PROCESSING))
    assert span.attributes is not None
    assert span.attributes.keys() & {"parts", "cost", "via", "time_to_delivery.lower_bound"} == set()
    assert (span.attributes["outcome"], span.attributes["fallback"]) == ("unobserved", "unknown")
    assert events(span) == [("status", 2.0, {"status": "processing"})]


def test_a_message_whose_tracking_was_stopped_is_abandoned_and_no_error() -> None:
    span = life(None, Step(SENT + 2, Status.PROCESSING))
    assert span.attributes is not None
    assert span.attributes["outcome"] == "abandoned"
    assert "fallback" not in span.attributes
    assert span.status.status_code is StatusCode.UNSET
    assert events(span) == [("status", 2.0, {"status": "processing"})]


def test_a_message_that_is_given_up_before_it_is_sent_ends_as_it_starts() -> None:
    span = life(None, sent_at=SENT + 3600)
    assert span.start_time == span.end_time


def test_a_call_is_a_client_span_below_its_messages() -> None:
    span = poll()
    assert (span.name, span.kind) == ("GET /bat/message/{messageId}", SpanKind.CLIENT)
    assert (span.start_time, span.end_time) == (1_800_000_003_250_000_000, 1_800_000_003_375_000_000)
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.span_id:016x}" == "00f067aa0ba902b7"
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, ids_of(CHILD).span_id)
    assert not span.parent.is_remote


def test_a_calls_attributes_are_the_stable_ones_of_http() -> None:
    assert poll().attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "sms.example",
        "server.port": 443,
        "url.full": "https://sms.example/api/bat/message/m1",
        "messaging.system": "smsbat",
        "messaging.message.id": "m1",
        "account": "main",
        "result": "unchanged",
        "status": "processing",
    }


@pytest.mark.parametrize(
    ("result", "code", "error"),
    [
        (PollResult.CHANGED, 200, None),
        (PollResult.UNCHANGED, 200, None),
        (PollResult.NOT_FOUND, 404, "404"),
        (PollResult.UNAUTHORIZED, 401, "401"),
        (PollResult.RATE_LIMITED, 429, "429"),
        (PollResult.CLIENT_ERROR, 400, "400"),
        (PollResult.SERVER_ERROR, 503, "503"),
        (PollResult.TIMEOUT, None, "timeout"),
        (PollResult.CONNECTION_ERROR, None, "connection_error"),
        (PollResult.UNREADABLE, 200, "unreadable"),
        (PollResult.UNREADABLE, 302, "unreadable"),
    ],
)
def test_a_call_that_told_nothing_is_an_error_of_a_type(
    result: PollResult, code: int | None, error: str | None
) -> None:
    span = poll(result, code, status=None)
    assert span.attributes is not None
    assert span.attributes.get("error.type") == error
    assert span.attributes.get("http.response.status_code") == code
    assert "status" not in span.attributes
    assert span.status.status_code is (StatusCode.UNSET if error is None else StatusCode.ERROR)
    assert span.status.description is None


def test_a_call_for_an_account_that_is_gone_names_no_server() -> None:
    attributes = poll(server=None).attributes
    assert attributes is not None
    assert attributes.keys() & {"server.address", "server.port", "url.full"} == set()


@pytest.mark.parametrize(
    ("base_url", "server"),
    [
        ("https://restapi.smsbat.com", Server("https://restapi.smsbat.com", "restapi.smsbat.com", 443)),
        ("http://127.0.0.1:8080/", Server("http://127.0.0.1:8080", "127.0.0.1", 8080)),
        ("http://[::1]:8080/sms/", Server("http://[::1]:8080/sms", "::1", 8080)),
    ],
)
def test_where_an_accounts_calls_go(base_url: str, server: Server) -> None:
    assert server_of(base_url) == server

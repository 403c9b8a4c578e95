"""Turns what is told of sampled messages into spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from yarl import URL

from exporter import __version__
from exporter.lifecycle import UNUSED, via
from exporter.message import Outcome, PollResult
from exporter.message import Status as MessageStatus
from exporter.records import ABANDONED
from exporter.trace_ids import TraceIds, ids_of, parent_of

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

    from exporter.labels import Words
    from exporter.message import Ending, Message
    from exporter.traced import MessageTrace, PollTrace

_SCOPE: Final = InstrumentationScope("smsbat-exporter", __version__)
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_MICRO: Final = 1_000_000
_OK: Final = Status(StatusCode.UNSET)
_STATUSES: Final = tuple(MessageStatus)
_WELL: Final = frozenset({PollResult.CHANGED, PollResult.UNCHANGED})

# Incubating names of OpenTelemetry's semantic conventions; those of HTTP are stable.
SYSTEM: Final = "messaging.system"
MESSAGE_ID: Final = "messaging.message.id"

Attributes = dict[str, str | int | float | bool]


class Server(msgspec.Struct, frozen=True):
    """Where an account's status calls go."""

    base_url: str
    """Without a slash at the end."""
    host: str
    port: int


def server_of(base_url: str) -> Server:
    """Return the server of a base URL."""
    url = URL(base_url)
    return Server(base_url.rstrip("/"), url.host or "", url.port or 0)


def poll_span(poll: PollTrace, server: Server | None, resource: Resource) -> ReadableSpan:
    """Return the client span of one status call, below its message's span."""
    message = poll.message
    attributes: Attributes = {
        "http.request.method": "GET",
        SYSTEM: "smsbat",
        MESSAGE_ID: message.id,
        "account": message.account,
        "result": poll.result.value,
    }
    if server is not None:
        attributes["server.address"] = server.host
        attributes["server.port"] = server.port
        attributes["url.full"] = f"{server.base_url}/bat/message/{message.id}"
    if poll.code is not None:
        attributes["http.response.status_code"] = poll.code
    if poll.status is not None:
        attributes["status"] = poll.status.label
    failed = poll.result not in _WELL
    if failed:
        told = poll.code is not None and poll.code >= 400
        attributes["error.type"] = str(poll.code) if told else poll.result.value
    return ReadableSpan(
        "GET /bat/message/{messageId}",
        context=_context(poll.ids),
        parent=_context(ids_of(message)),
        resource=resource,
        attributes=attributes,
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR) if failed else _OK,
        start_time=_nanoseconds(poll.started_at),
        end_time=_nanoseconds(poll.arrived_at),
        instrumentation_scope=_SCOPE,
    )


def message_span(trace: MessageTrace, words: Words, resource: Resource) -> ReadableSpan:
    """Return the span of a message's life, from its send time to its end; other words than these are `other`."""
    message, ending, parent = trace.message, trace.ending, parent_of(trace.message)
    ended_at = max(trace.ended_at, message.sent_at)
    delivered = ending is not None and ending.outcome is Outcome.DELIVERED
    outcome = ABANDONED if ending is None else ending.outcome.value
    return ReadableSpan(
        "smsbat message",
        context=_context(ids_of(message)),
        parent=None if parent is None else _context(parent, is_remote=True),
        resource=resource,
        attributes=_attributes(message, ending, words, outcome),
        events=_events(trace, words, ended_at),
        kind=SpanKind.INTERNAL,
        status=_OK if delivered or ending is None else Status(StatusCode.ERROR, outcome),
        start_time=_nanoseconds(message.sent_at),
        end_time=_nanoseconds(ended_at),
        instrumentation_scope=_SCOPE,
    )


def _attributes(message: Message, ending: Ending | None, words: Words, outcome: str) -> Attributes:
    attributes: Attributes = {
        SYSTEM: "smsbat",
        MESSAGE_ID: message.id,
        "account": message.account,
        "channel": message.channel,
        "outcome": outcome,
        "polls": message.polls,
    }
    if ending is None:
        return attributes
    attributes["fallback"] = ending.fallback.value
    if ending.outcome is Outcome.DELIVERED:
        attributes["time_to_delivery.lower_bound"] = ending.lower_seconds
        attributes["time_to_delivery.upper_bound"] = ending.upper_seconds
    report = ending.report
    if report is not None:
        if report.parts is not None:
            attributes["parts"] = report.parts
        if report.cost is not None:
            attributes["cost"] = float(report.cost)
        if ending.outcome is Outcome.DELIVERED:
            attributes["via"] = words.kind(via(message.channel, report))
    return attributes


def _events(trace: MessageTrace, words: Words, ended_at: float) -> tuple[Event, ...]:
    """Return an event for each change of status, and one for each other way that was gone."""
    events = [_event("status", min(step.at, ended_at), status=_STATUSES[step.status].label) for step in trace.steps]
    ending = trace.ending
    if ending is not None and ending.report is not None:
        for kind, status in ending.report.fallbacks:
            if status not in UNUSED:
                events.append(_event("fallback", ended_at, type=words.kind(kind), status=words.status(status)))
    if trace.message.status.final:
        events.append(_event("status", ended_at, status=trace.message.status.label))
    return tuple(events)


def _event(name: str, at: float, **attributes: str) -> Event:
    return Event(name, attributes, _nanoseconds(at))


def _context(ids: TraceIds, *, is_remote: bool = False) -> SpanContext:
    return SpanContext(int(ids.trace_id, 16), int(ids.span_id, 16), is_remote, _SAMPLED)


def _nanoseconds(at: float) -> int:
    """Unix seconds as a float are good to a quarter of a microsecond."""
    return round(at * _MICRO) * 1000

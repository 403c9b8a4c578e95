"""Which trace a message is, and whether it is made: derived from the message itself, so that nothing is kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from exporter.message import Message

_ALL: Final = 1 << 64
_SAMPLED: Final = 1


class TraceIds(msgspec.Struct, frozen=True, gc=False):
    """The ids of a span as W3C Trace Context writes them: 32 and 16 hexadecimal digits."""

    trace_id: str
    span_id: str


class Sampling(msgspec.Struct, frozen=True):
    """Of which messages traces are made; decided once, when a message is accepted."""

    ratio: float
    """Of those whose caller did not decide, 0 to 1."""
    heeds_parent: bool = True
    """Whether the caller's `traceparent` decides for its message."""

    def takes(self, message: Message) -> bool:
        """Whether a message is sampled; by its trace id as OpenTelemetry's ratio sampler does, so that others agree."""
        if self.heeds_parent and message.traceparent is not None:
            return int(message.traceparent[-2:], 16) & _SAMPLED != 0
        return int(trace_id(message)[16:], 16) < round(self.ratio * _ALL)


def trace_id(message: Message) -> str:
    """Return the trace of a message: its caller's, or its own."""
    return message.traceparent.split("-")[1] if message.traceparent is not None else _digest(message, 16)


def ids_of(message: Message) -> TraceIds:
    """Return the ids of a message's own span."""
    return TraceIds(trace_id(message), _digest(message, 8))


def parent_of(message: Message) -> TraceIds | None:
    """Return the ids of the span that a message was sent in; None when nobody told."""
    if message.traceparent is None:
        return None
    _, parent_trace_id, parent_span_id, _ = message.traceparent.split("-")
    return TraceIds(parent_trace_id, parent_span_id)


def _digest(message: Message, size: int) -> str:
    """Return an id of so many bytes; the time of acceptance parts two messages of one id, as in two stores."""
    whole = f"{message.account}\0{message.id}\0{message.accepted_at!r}".encode()
    digest = hashlib.blake2b(whole, digest_size=size, person=b"smsbat").hexdigest()
    return digest if digest.strip("0") else f"{1:0{2 * size}x}"

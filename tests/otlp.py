"""A collector on loopback: takes traces over OTLP as one does, or fails as one does, and keeps what came."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2 as wire

PATIENCE_SECONDS: Final = 30.0
_PROTOBUF: Final = "application/x-protobuf"
ANGRY: Final = "no such tenant: 4711"
"""What it says when it takes nothing; it must show up nowhere."""

Value = str | int | float | bool


class Mode(enum.Enum):
    """What it does with a request."""

    TAKE = enum.auto()
    HANG = enum.auto()
    """It reads the request and never answers."""
    REFUSE = enum.auto()
    """400: it will never take these."""
    LIMIT = enum.auto()
    """429, to be tried again long after."""
    BE_DOWN = enum.auto()
    """503."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span that came; times are Unix seconds, ids hexadecimal digits, `parent_id` empty for none."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    started_at: float
    ended_at: float
    attributes: Mapping[str, Value]
    events: Sequence[tuple[str, float, Mapping[str, Value]]]
    failed: bool
    resource: Mapping[str, Value]


class Collector:
    """A running collector."""

    def __init__(self) -> None:
        self.mode = Mode.TAKE
        self.bodies: list[bytes] = []
        """Everything that came, taken or not."""
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.spans: list[Span] = []
        """Those that were taken."""
        self.came = 0
        """How many spans came, taken or not; those that are sent again count again."""
        self._news = asyncio.Condition()
        self._closing = asyncio.Event()
        self._port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Its base URL, which stays the same when it comes back."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Listen."""
        application = web.Application()
        application.router.add_post("/{path:.*}", self._take)
        self._closing.clear()
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Refuse connections from now on."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def has(self, condition: Callable[[Collector], bool]) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: condition(self))

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name."""
        return [span for span in self.spans if span.name == name]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        spans = spans_in(body)
        async with self._news:
            self.bodies.append(body)
            self.paths.append(request.path)
            self.headers.append(request.headers.copy())
            self.came += len(spans)
            if self.mode is Mode.TAKE:
                self.spans += spans
            self._news.notify_all()
        return await self._answer()

    async def _answer(self) -> web.Response:
        match self.mode:
            case Mode.HANG:
                await self._closing.wait()
                return web.Response(status=503)
            case Mode.REFUSE:
                return web.Response(status=400, text=ANGRY)
            case Mode.LIMIT:
                return web.Response(status=429, headers={"Retry-After": "3600"})
            case Mode.BE_DOWN:
                return web.Response(status=503, text=ANGRY)
            case Mode.TAKE:
                taken = ExportTraceServiceResponse().SerializeToString()
                return web.Response(body=taken, content_type=_PROTOBUF)


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector while the block lasts."""
    collector = Collector()
    await collector.open()
    try:
        yield collector
    finally:
        await collector.close()


def spans_in(body: bytes) -> list[Span]:
    """Return the spans of a request; raises DecodeError."""
    return [
        _span(span, _plain(resource.resource.attributes))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(span: wire.Span, resource: Mapping[str, Value]) -> Span:
    return Span(
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        started_at=span.start_time_unix_nano / 1e9,
        ended_at=span.end_time_unix_nano / 1e9,
        attributes=_plain(span.attributes),
        events=[(event.name, event.time_unix_nano / 1e9, _plain(event.attributes)) for event in span.events],
        failed=span.status.code == wire.Status.STATUS_CODE_ERROR,
        resource=resource,
    )


def _plain(attributes: Sequence[KeyValue]) -> dict[str, Value]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    assert kind in {"string_value", "bool_value", "int_value", "double_value"}
    found: Value = getattr(value, kind)
    return found

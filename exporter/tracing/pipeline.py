"""Takes spans to the collector in a thread of its own: nobody waits for it, and what became of each is counted."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import OTEL_BSP_MAX_EXPORT_BATCH_SIZE, OTEL_BSP_MAX_QUEUE_SIZE
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from exporter import __version__
from exporter.labels import Words
from exporter.settings import named_channels
from exporter.tracing.spans import Server, message_span, poll_span, server_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from exporter.config import Config
    from exporter.meters import SpanMeter
    from exporter.traced import MessageTrace, PollTrace

_log: Final = logging.getLogger(__name__)
_MOST_WAITING: Final = 2048
_MOST_AT_ONCE: Final = 512
_OWN: Final = {"service.name": "smsbat-exporter", "service.version": __version__}
_QUIET: Final = ("opentelemetry", "urllib3")
"""Their lines come once a batch, and quote a collector's answers and its whole URL."""


class Counted(SpanExporter):
    """An exporter in the processor's thread that counts, and never logs what a collector says."""

    def __init__(self, exporters: Sequence[SpanExporter], meter: SpanMeter) -> None:
        """Take where spans go."""
        self._exporters = exporters
        self._meter = meter
        self._failing = False
        self.taken = 0
        """How many spans the processor has handed over."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch."""
        self.taken += len(spans)
        result = SpanExportResult.FAILURE
        try:
            results = [exporter.export(spans) for exporter in self._exporters]
            if all(each is SpanExportResult.SUCCESS for each in results):
                result = SpanExportResult.SUCCESS
        finally:
            self._told(len(spans), failed=result is not SpanExportResult.SUCCESS)
        return result

    def _told(self, count: int, *, failed: bool) -> None:
        self._meter.count("failed" if failed else "exported", count)
        if failed and not self._failing:
            _log.warning("spans do not reach the collector; they are counted, and everything else goes on")
        elif self._failing and not failed:
            _log.info("spans reach the collector again")
        self._failing = failed

    def shutdown(self) -> None:
        """Close every exporter."""
        for exporter in self._exporters:
            exporter.shutdown()


class Pipeline:
    """Makes spans, and hands them to OpenTelemetry's batching processor as long as that has room."""

    def __init__(self, exporters: frozenset[str], meter: SpanMeter, environ: Mapping[str, str]) -> None:
        """Start the thread; raises ValueError for an OTEL_* variable that OpenTelemetry refuses."""
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        told = OTELResourceDetector().detect().attributes
        self._resource = Resource.create({name: value for name, value in _OWN.items() if name not in told})
        made: list[SpanExporter] = []
        if "otlp" in exporters:
            made.append(OTLPSpanExporter())
        if "console" in exporters:
            made.append(ConsoleSpanExporter())
        self._meter = meter
        self._counted = Counted(made, meter)
        self._most = _number(environ, OTEL_BSP_MAX_QUEUE_SIZE, _MOST_WAITING)
        at_once = _number(environ, OTEL_BSP_MAX_EXPORT_BATCH_SIZE, min(_MOST_AT_ONCE, self._most))
        self._processor = BatchSpanProcessor(self._counted, self._most, max_export_batch_size=at_once)
        self._given = 0
        self._servers: dict[str, Server] = {}
        self._words = Words(frozenset())

    def follow(self, config: Config) -> None:
        """Follow a configuration."""
        self._servers = {account.name: server_of(account.base_url) for account in config.accounts}
        self._words = Words(frozenset(named_channels(config)))

    def poll(self, poll: PollTrace) -> None:
        """Take a call."""
        self._give(poll_span(poll, self._servers.get(poll.message.account), self._resource))

    def message(self, message: MessageTrace) -> None:
        """Take a message's end."""
        self._give(message_span(message, self._words, self._resource))

    def _give(self, span: ReadableSpan) -> None:
        """Hand a span over, or drop it: a full processor would drop another, and count neither."""
        if self._given - self._counted.taken >= self._most:
            self._meter.count("dropped")
            return
        self._given += 1
        self._processor.on_end(span)

    def close(self) -> threading.Thread:
        """Send what waits, for a moment, in a thread that ends with the process; returns it."""
        closing = threading.Thread(target=self._processor.shutdown, name="last spans", daemon=True)
        closing.start()
        return closing


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return a variable's number; what is none is left out, as OpenTelemetry's specification says."""
    text = environ.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() else default

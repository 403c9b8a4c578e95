"""Answers /metrics: a snapshot taken on the event loop, rendered and compressed in a thread."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import hdrs, web
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Metric,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from exporter.web.negotiation import Format, accepts_gzip, metrics_format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_RENDERS_AT_ONCE: Final = 2
_GZIP_LEVEL: Final = 3
"""Well under half the time of the default level for answers about 15 % larger, measured on 1 MB of histograms."""

_RENDER: Final[Mapping[Format, Callable[[Collector], bytes]]] = {
    Format.TEXT: generate_latest,
    Format.OPENMETRICS: openmetrics.generate_latest,
}


class _Selection(msgspec.Struct, frozen=True):
    """Several collectors as one, cut down to the samples of the given names when there are any."""

    collectors: tuple[Collector, ...]
    names: frozenset[str]

    def collect(self) -> Iterator[Metric]:
        """Collect the families that have samples left."""
        families = (family for collector in self.collectors for family in collector.collect())
        return _restricted(families, self.names) if self.names else families


def runtime_collectors() -> CollectorRegistry:
    """Build a registry of the client library's `process_*`, `python_info` and `python_gc_*`, and nothing else."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Exposition:
    """The /metrics handler.

    `snapshot` is called on the event loop and gives metrics that no longer change; `runtime` is collected in
    the thread that renders.
    """

    def __init__(self, snapshot: Callable[[], Collector], runtime: Collector) -> None:
        self._snapshot = snapshot
        self._runtime = runtime
        self._free_renders = asyncio.Semaphore(_RENDERS_AT_ONCE)

    async def scrape(self, request: web.Request) -> web.Response:
        """Answer one scrape in the format, the encoding and with the `name[]` that it asks for."""
        chosen = metrics_format(_header(request, hdrs.ACCEPT))
        compressed = accepts_gzip(_header(request, hdrs.ACCEPT_ENCODING))
        names = frozenset(name for name in request.query.getall("name[]", ()) if name)
        async with self._free_renders:
            selection = _Selection((self._snapshot(), self._runtime), names)
            body = await asyncio.to_thread(_render, selection, chosen, compressed=compressed)
        headers = {hdrs.CONTENT_TYPE: chosen.value, hdrs.VARY: "Accept, Accept-Encoding"}
        if compressed:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=body, headers=headers)


def _header(request: web.Request, name: str) -> str:
    return ",".join(request.headers.getall(name, ()))


def _render(selection: Collector, chosen: Format, *, compressed: bool) -> bytes:
    body = _RENDER[chosen](selection)
    return gzip.compress(body, _GZIP_LEVEL, mtime=0) if compressed else body


def _restricted(families: Iterable[Metric], names: frozenset[str]) -> Iterator[Metric]:
    """Filter as prometheus_client does for `name[]`: names are those of samples, `foo_total` and not `foo`."""
    for family in families:
        if samples := [sample for sample in family.samples if sample.name in names]:
            restricted = Metric(family.name, family.documentation, family.type, family.unit)
            restricted.samples = samples
            yield restricted

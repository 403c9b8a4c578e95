"""Whether traces are made now, as the configuration and the environment say; OpenTelemetry is imported only then."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from exporter.tracing.wish import wished

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from exporter.config import Config
    from exporter.core import Core
    from exporter.tracing.pipeline import Pipeline

_log: Final = logging.getLogger(__name__)
_CLOSING_SECONDS: Final = 1.0
"""How long the last spans have to leave: a collector that hangs must not hold up a pod's end."""


class Tracing:
    """The traces of one exporter."""

    def __init__(self, core: Core, environ: Mapping[str, str]) -> None:
        """Start without."""
        self._core = core
        self._environ = environ
        self._pipeline: Pipeline | None = None
        self._exporters: frozenset[str] = frozenset()

    def follow(self, config: Config) -> None:
        """Follow a configuration; what is wrong with a variable is logged, and never stops the exporter."""
        wish, problems = wished(config.tracing, self._environ)
        for problem in problems:
            _log.warning("traces: %s", problem)
        if wish is None:
            self._end()
        elif self._pipeline is None or wish.exporters != self._exporters:
            self._end()
            self._begin(wish.exporters)
        if self._pipeline is not None:
            self._pipeline.follow(config)
        self._core.admission.sampling = None if wish is None or self._pipeline is None else wish.sampling
        self._core.tracker.traced.sink = self._pipeline

    async def close(self) -> None:
        """Send the last spans, as far as that goes within a second."""
        closing = self._end()
        if closing is not None:
            await asyncio.to_thread(closing.join, _CLOSING_SECONDS)

    def _begin(self, exporters: frozenset[str]) -> None:
        from exporter.tracing.pipeline import Pipeline  # noqa: PLC0415 (four megabytes that most do without)

        try:
            self._pipeline = Pipeline(exporters, self._core.spans, self._environ)
        except ValueError as error:
            _log.warning("traces: an OTEL_* variable cannot be used (%s); no traces are made", error)
        self._exporters = exporters

    def _end(self) -> threading.Thread | None:
        pipeline, self._pipeline = self._pipeline, None
        return None if pipeline is None else pipeline.close()

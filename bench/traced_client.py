"""Polls each message once, with traces or without: `python -m bench.traced_client KIND URL COUNT CORE COLLECTOR`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop

from bench.cores import pin
from bench.polling_client import UNSAMPLED, core_of, polled, settings_of, track
from exporter.trace_ids import Sampling
from exporter.tracing.room import Tracing

_SAMPLING: Final = {"off": UNSAMPLED, "unsampled": UNSAMPLED, "sampled": Sampling(0.1)}


async def poll(kind: str, url: str, count: int) -> float:
    """Have the exporter poll each message; returns the seconds of CPU that all its threads took, the last span sent."""
    environ = {} if kind == "off" else dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_of(url, count, folder)
        core = core_of(settings, Path(folder) / "state.db")
        tracing = Tracing(core, environ)
        tracing.follow(settings)
        committing = asyncio.create_task(core.committer.run())
        await track(core, count, _SAMPLING[kind])
        began = time.process_time()
        await polled(core, settings, count)
        await tracing.close()
        seconds = time.process_time() - began
        core.committer.stop()
        await committing
        await core.writer.close()
        results = core.spans.results
        assert results["failed"] + results["dropped"] == 0, results
        assert (results["exported"] > count / 20) == (kind == "sampled"), results
        return seconds


def main() -> None:
    """Measure, and print seconds."""
    kind, url, count, core, collector = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector
    pin(core)
    print(uvloop.run(poll(kind, url, count)))


if __name__ == "__main__":
    main()

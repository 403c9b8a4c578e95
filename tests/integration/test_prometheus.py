"""A real Prometheus scrapes the exporter: what it stores is what /metrics says, and its own linter is content."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from exporter.simulator import Life, Money, Simulator
from tests.integration.configs import EVERY_SECOND, account, config, message
from tests.integration.process import PATIENCE_SECONDS, ROOT, Exporter, serving, write_config
from tests.integration.scrape import Scrape, Series, series
from tests.integration.simulated import ENDLESS, simulated

PROMETHEUS_CONFIG: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: smsbat
    static_configs: [{{targets: ['{target}']}}]
"""
CHAIN: Final = [
    (0.0, "scheduled", {"viber": "scheduled", "sms": "not_used"}),
    (2.0, "processing", {"viber": "processing", "sms": "not_used"}),
    (4.0, "delivered", {"viber": "undeliverable", "sms": "delivered"}),
]
"""A life with a fallback."""
TYPES_OF_SAMPLES: Final = ("_total", "_bucket", "_sum", "_count")


class Prometheus:
    """A running Prometheus and its HTTP API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of its API."""
        async with self._session.get(f"{self.url}/api/v1/{path}", params=parameters) as response:
            return (await response.json())["data"]

    async def samples(self, query: str) -> dict[Series, float]:
        """Return the result of an instant query, without the labels that Prometheus adds."""
        result: list[dict[str, Any]] = (await self.get("query", query=query))["result"]
        return {_series(row["metric"]): float(row["value"][1]) for row in result}

    async def has(self, query: str, condition: Callable[[Mapping[Series, float]], bool]) -> dict[Series, float]:
        """Query until the condition holds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition(samples := await self.samples(query)):
                pass
        return samples


def _series(labels: Mapping[str, str]) -> Series:
    own = {name: value for name, value in labels.items() if name not in {"__name__", "instance", "job"}}
    return series(labels.get("__name__", ""), own)


@contextlib.asynccontextmanager
async def scraping(folder: Path, target: str) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes a target every second while the block lasts."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    (folder / "prometheus.yml").write_text(PROMETHEUS_CONFIG.format(target=target), "utf-8")
    port = free_port()
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address=127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(
        program, *flags, "--log.level=debug", cwd=folder, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    log = asyncio.create_task(process.stderr.read())
    try:
        async with aiohttp.ClientSession() as session:
            yield await is_ready(Prometheus(f"http://127.0.0.1:{port}", session), session)
    finally:
        process.terminate()
        (folder / "prometheus.log").write_bytes(await log)
        await process.wait()


async def is_ready(prometheus: Prometheus, session: aiohttp.ClientSession) -> Prometheus:
    """Wait until it answers."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{prometheus.url}/-/ready") as response:
                    if response.status == 200:
                        return prometheus


def free_port() -> int:
    """Return a port that nobody listens on now; Prometheus does not tell which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def promtool(folder: Path, *arguments: str, given: str = "") -> tuple[int, str]:
    """Run promtool; return its exit code and what it said."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed")
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate(given.encode())
    return process.returncode or 0, output.decode()


def add_messages(simulator: Simulator, folder: Path) -> None:
    """List messages whose ends give every family a sample: fallbacks, money in two currencies, failures, oddities."""

"""A real Prometheus scrapes the exporter: what it stores is what /metrics says, and its own linter is content."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from exporter.catalogue import METRICS
from exporter.simulator import Life, Money, Simulator
from tests.integration.configs import EVERY_SECOND, account, config, message
from tests.integration.process import OPENMETRICS, PATIENCE_SECONDS, ROOT, serving, write_config
from tests.integration.scrape import Scrape, Series, openmetrics, series, text_format
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


class Prometheus:
    """A running Prometheus and its HTTP API."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401
        """Return the data of an answer of its API, which is JSON of many shapes."""
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
async def scraping(
    folder: Path, target: str, *more: str, prometheus_config: str = PROMETHEUS_CONFIG
) -> AsyncIterator[Prometheus]:
    """Run a Prometheus, maybe with more flags, that scrapes a target every second while the block lasts."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    (folder / "prometheus.yml").write_text(prometheus_config.format(target=target), "utf-8")
    port = free_port()
    flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", f"--web.listen-address=127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(
        program, *flags, *more, "--log.level=debug", cwd=folder, stderr=asyncio.subprocess.PIPE
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


def rescued() -> Life:
    """Return a life that the fallback saves, with every kind of money."""
    money = Money(
        cost=Decimal("0.05"),
        rate=Decimal("0.05"),
        rate_amount=Decimal("0.05"),
        rate_currency="USD",
        bill_amount=Decimal("2.07"),
        bill_currency="UAH",
    )
    return Life(states=Life.scripted(CHAIN).states, money=money)


def add_messages(simulator: Simulator, folder: Path) -> None:
    """List messages that give every family a sample, and two campaigns where one has room."""
    lives = [
        rescued(),
        Life.scripted([(0.0, "on its way"), (2.0, "delivered")], cost="0.011"),
        Life.scripted([(0.0, "processing"), (2.0, "undeliverable")], cost="0.00"),
        ENDLESS,
    ]
    listed = []
    for number in range(40):
        simulator.add(f"msg-{number}", channel="viber_otp", life=lives[number % len(lives)])
        listed.append(message(f"msg-{number}", "viber_otp", labels={"campaign": f"c{number % 2}"}))
    text = config(
        [account(simulator.url, webhook_token="token-of-webhooks")],
        listed,
        polling=[{**EVERY_SECOND, "mature": "2s"}],
        labels={"campaign": {"max_values": 1}},
        objectives=[{"name": "in-10s", "within": "10s", "target": 0.9}],
        relay={},
    )
    write_config(folder, text)


def settled(scrape: Scrape) -> bool:
    """Whether all that ends has ended, and the rest is in its last status and matured."""
    ended = scrape.sum("smsbat_messages_finished_total") == 30
    return ended and scrape.sum("smsbat_messages_matured_total") == 40


async def test_what_prometheus_stores_is_what_metrics_says(tmp_path: Path) -> None:
    async with simulated() as simulator:
        add_messages(simulator, tmp_path)
        async with serving(tmp_path) as exporter:
            target = (await exporter.ready()).removeprefix("http://")
            async with scraping(tmp_path, target) as prometheus:
                scrape = await exporter.shows(settled)
                await stores(prometheus, scrape)
                await reads_openmetrics(prometheus)
            assert await exporter.stop() == 0
    log = (tmp_path / "prometheus.log").read_text("utf-8")
    assert re.findall(r"level=(?:warn|error)(?!.*SIGTERM).*", log) == []


async def stores(prometheus: Prometheus, scrape: Scrape) -> None:
    """Check that the target is up and that every total, and the messages in flight, arrive as they are."""
    assert list((await prometheus.has("up", lambda up: 1.0 in up.values())).values()) == [1.0]
    # To Prometheus, an empty label is none.
    shown = {
        (name, tuple(pair for pair in labels if pair[1])): value
        for (name, labels), value in (scrape.totals() | scrape.shown({"smsbat_messages_in_flight"})).items()
    }
    names = "|".join(sorted({name for name, _ in shown}))
    query = f'{{__name__=~"{names}"}}'
    await prometheus.has(query, lambda samples: not_zero(samples) == not_zero(shown))


def not_zero(samples: Mapping[Series, float]) -> dict[Series, float]:
    """Leave out the zeros."""
    return {it: value for it, value in samples.items() if value}


async def reads_openmetrics(prometheus: Prometheus) -> None:
    """Check that it asked for OpenMetrics, took all of it, and knows the types.

    Only from OpenMetrics does it know a counter's family without `_total`.
    """
    (target,) = (await prometheus.get("targets"))["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    types = {row["metric"]: row["type"] for row in await prometheus.get("targets/metadata")}
    own = {name: kind for name, kind in types.items() if name.startswith("smsbat_")}
    assert own == {metric.name.removesuffix("_total"): metric.kind.value for metric in METRICS}


async def test_promtool_finds_nothing_wrong_with_metrics_when_every_family_has_samples(tmp_path: Path) -> None:
    async with simulated() as simulator:
        add_messages(simulator, tmp_path)
        async with serving(tmp_path) as exporter:
            await exporter.shows(settled)
            _, body = await exporter.get("/metrics")
            _, newer = await exporter.get("/metrics", accept=OPENMETRICS)
    scrape = text_format(body)
    sampled = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in scrape.samples}
    assert {metric.name for metric in METRICS} - sampled == set()
    assert await promtool(tmp_path, "check", "metrics", given=body) == (0, "")
    assert openmetrics(newer).totals() == scrape.totals()


async def test_promtool_accepts_the_readmes_scrape_configuration(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", readme, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(example, "utf-8")
    code, said = await promtool(tmp_path, "check", "config", "--lint-fatal", "prometheus.yml")
    assert code == 0, said


async def test_promtool_accepts_the_query_for_a_campaigns_delivery_rate(tmp_path: Path) -> None:
    examples = (ROOT / "docs" / "examples.md").read_text("utf-8")
    (query,) = re.findall(r"```promql\n(.*?)```", examples, re.DOTALL)
    rules = {"groups": [{"name": "examples", "rules": [{"record": "campaign:smsbat_delivery:ratio", "expr": query}]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules), "utf-8")
    code, said = await promtool(tmp_path, "check", "rules", "rules.yml")
    assert code == 0, said


async def test_promtool_accepts_the_configuration_beside_the_traces(tmp_path: Path) -> None:
    config_file = ROOT / "docs" / "traces" / "prometheus.yaml"
    code, said = await promtool(tmp_path, "check", "config", "--lint-fatal", str(config_file))
    assert code == 0, said

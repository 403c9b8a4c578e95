"""A real Prometheus with the project's rules, and a real Alertmanager, whose notifications come to a pager."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from prometheus.source import rules
from prometheus.source.catalogue import GROUPS
from tests.integration.test_prometheus import Prometheus, free_port, is_ready

SCALE: Final = 1 / 60
"""Of every duration in the rules: an hour is a minute. The expressions are the same otherwise (tests/test_rules.py)."""

Page = tuple[str, str]
"""The account and the name of an alert."""


class Pager:
    """Is told by Alertmanager what fires and what is over."""

    def __init__(self) -> None:
        self.firing: dict[Page, Mapping[str, str]] = {}
        """What fires now, and its annotations."""
        self.ever: set[Page] = set()
        self._news = asyncio.Condition()

    async def receive(self, request: web.Request) -> web.Response:
        """Take a notification."""
        for alert in (await request.json())["alerts"]:
            page = (alert["labels"].get("account", ""), alert["labels"]["alertname"])
            if alert["status"] == "firing":
                self.firing[page] = alert["annotations"]
                self.ever.add(page)
            else:
                self.firing.pop(page, None)
        async with self._news:
            self._news.notify_all()
        return web.Response()

    async def tells(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for notifications until the condition holds."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"firing: {sorted(self.firing)}; ever: {sorted(self.ever)}") from None


@contextlib.asynccontextmanager
async def paging(folder: Path, targets: Iterable[str]) -> AsyncIterator[tuple[Prometheus, Pager]]:
    """Scrape exporters, evaluate the rules and notify a pager while the block lasts."""
    pager = Pager()
    app = web.Application()
    app.router.add_post("/", pager.receive)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        _alertmanager(folder, str(server.make_url("/")), session) as alertmanager,
        _prometheus(folder, list(targets), alertmanager, session) as prometheus,
    ):
        yield prometheus, pager


@contextlib.asynccontextmanager
async def _alertmanager(folder: Path, pager: str, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    config = {
        "route": {
            "receiver": "pager",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "pager", "webhook_configs": [{"url": pager, "send_resolved": True}]}],
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    flags = ("--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address=")
    async with _running(folder, "prometheus-alertmanager", *flags, f"--web.listen-address={address}"):
        await is_ready(Prometheus(f"http://{address}", session), session)
        yield address


@contextlib.asynccontextmanager
async def _prometheus(
    folder: Path, targets: list[str], alertmanager: str, session: aiohttp.ClientSession
) -> AsyncIterator[Prometheus]:
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.json", "alerts.json"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "smsbat", "static_configs": [{"targets": targets}]}],
    }
    for name, document in (
        ("prometheus.yml", config),
        ("rules.json", rules.recording_rules(GROUPS, SCALE)),
        ("alerts.json", rules.alerting_rules(GROUPS, SCALE)),
    ):
        (folder / name).write_text(json.dumps(document), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    flags = ("--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--rules.alert.resend-delay=1s")
    async with _running(folder, "prometheus", *flags, f"--web.listen-address={address}"):
        yield await is_ready(Prometheus(f"http://{address}", session), session)


@contextlib.asynccontextmanager
async def _running(folder: Path, name: str, *flags: str) -> AsyncIterator[None]:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    with (folder / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program, *flags, cwd=folder, stderr=log, stdout=log)
        try:
            yield
        finally:
            process.terminate()
            await process.wait()

"""Starts the exporter as its users do, as a process of its own, and reads its log and its pages."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from tests.integration.scrape import Scrape, text_format

ROOT: Final = Path(__file__).parents[2]
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
LISTENING: Final = (
    "--web.listen-address=127.0.0.1:0",
    "--api.listen-address=127.0.0.1:0",
    "--webhook.listen-address=127.0.0.1:0",
)
SERVE: Final = ("-m", "exporter", "--config.file=config.yaml", *LISTENING)
PATIENCE_SECONDS: Final = 30.0
"""How long anything is waited for before a test fails."""


class Exporter:
    """A running process; its standard error is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.lines: list[str] = []
        self._session = session
        self._news = asyncio.Condition()
        self._over = False
        self._reading = asyncio.create_task(self._read(), name="log")

    async def _read(self) -> None:
        if self.process.stderr is None:
            raise RuntimeError("the process was started without a pipe")
        async for line in self.process.stderr:
            await self._tell(line.decode().rstrip("\n"))
        await self.process.wait()
        self._over = True
        await self._tell()

    async def _tell(self, *lines: str) -> None:
        async with self._news:
            self.lines += lines
            self._news.notify_all()

    @property
    def log(self) -> str:
        """Everything it logged so far."""
        return "\n".join(self.lines)

    async def logged(self, text: str) -> str:
        """Wait for a line that contains the text; fail when the process ends without it."""

        def found() -> str | None:
            return next((line for line in self.lines if text in line), None)

        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: found() is not None or self._over)
        line = found()
        if line is None:
            raise AssertionError(f"it ended without {text!r}:\n{self.log}")
        return line

    def logged_at(self, text: str) -> float | None:
        """Return the time that a line says which contains the text, in Unix seconds; None without such a line."""
        line = next((line for line in self.lines if text in line), None)
        return None if line is None else dt.datetime.fromisoformat(line.split()[0].removeprefix("ts=")).timestamp()

    async def url(self) -> str:
        """Return where its web listener is, once it listens."""
        return await self._listening("url")

    async def api_url(self) -> str:
        """Return where its API listener is, once it listens."""
        return await self._listening("api")

    async def webhooks_url(self) -> str:
        """Return where its webhook listener is, once the others listen; "off" when it is not open."""
        return await self._listening("webhooks")

    async def _listening(self, name: str) -> str:
        found = dict(word.partition("=")[::2] for word in (await self.logged("msg=listening")).split())
        return found[name]

    async def ready(self) -> str:
        """Wait until it polls; return where its web listener is."""
        await self.logged("msg=ready")
        return await self.url()

    async def get(self, path: str, *, method: str = "GET", accept: str = "*/*") -> tuple[int, str]:
        """Call its web listener; return the status and the body."""
        async with self._session.request(method, await self.url() + path, headers={"Accept": accept}) as response:
            return response.status, await response.text()

    async def scrape(self) -> Scrape:
        """Return what /metrics says."""
        return text_format((await self.get("/metrics"))[1])

    async def shows(self, condition: Callable[[Scrape], bool], seconds: float = PATIENCE_SECONDS) -> Scrape:
        """Scrape until the condition holds."""
        async with asyncio.timeout(seconds):
            while not condition(scrape := await self.scrape()):
                pass
        return scrape

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def ended(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Wait until it has ended and everything it logged is read; return its exit code."""
        async with asyncio.timeout(seconds):
            await asyncio.shield(self._reading)
            return await self.process.wait()

    async def runs_for(self, seconds: float) -> bool:
        """Return False when it ends within the time, True when the time is over and it still runs."""
        done, _ = await asyncio.wait({self._reading}, timeout=seconds)
        return not done

    async def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> int:
        """End it with SIGKILL."""
        self.send(signal.SIGKILL)
        return await self.ended()


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process: what Python needs, and nothing that the machine happens to have."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **extra}


@contextlib.asynccontextmanager
async def spawn(
    session: aiohttp.ClientSession, folder: Path, *command: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Exporter]:
    """Run `python COMMAND` in a folder; what still runs at the block's end is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=environment(env or {}), stderr=asyncio.subprocess.PIPE
    )
    exporter = Exporter(process, session)
    try:
        yield exporter
    finally:
        await exporter.kill()


@contextlib.asynccontextmanager
async def serving(folder: Path, *flags: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Exporter]:
    """Run `serve` with config.yaml on a free port while the block lasts."""
    async with aiohttp.ClientSession() as session, spawn(session, folder, *SERVE, *flags, env=env) as exporter:
        yield exporter


@contextlib.asynccontextmanager
async def serving_without_config(folder: Path, env: Mapping[str, str]) -> AsyncIterator[Exporter]:
    """Run the default command without a configuration, on a free port, while the block lasts."""
    command = (
        "-m",
        "exporter",
        "--web.listen-address=127.0.0.1:0",
        "--api.listen-address=127.0.0.1:0",
        "--webhook.listen-address=127.0.0.1:0",
    )
    async with aiohttp.ClientSession() as session, spawn(session, folder, *command, env=env) as exporter:
        yield exporter


def write_config(folder: Path, config: str) -> None:
    """Write config.yaml."""
    (folder / "config.yaml").write_text(config, "utf-8")


async def run(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> tuple[int, str, str]:
    """Run a command of the exporter to its end; return its exit code, output and errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "exporter",
        *arguments,
        cwd=folder,
        env=environment(env or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, errors = await process.communicate(stdin)
    return process.returncode or 0, output.decode(), errors.decode()

"""A real Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp

PATIENCE_SECONDS: Final = 60.0
"""How long anything is waited for before a test fails; a browser's first start is slow."""
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # it runs as root in CI, and opens our own pages only
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
)


def executable() -> str | None:
    """Return where a Chromium is; None where there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab; what it complains about is kept."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.complaints: list[str] = []
        """Everything in its console: errors, and what the Content-Security-Policy refused."""
        self.requested: list[str] = []
        """The URLs that it asked for."""
        self.loads = 0
        """How many documents it has loaded."""
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Take in what the browser says, until it says no more."""
        async for said in self._socket:
            told = said.json()
            if (answer := self._answers.pop(told.get("id"), None)) is not None:
                answer.set_result(told)
            async with self._news:
                self._note(told.get("method"), told.get("params", {}))
                self._news.notify_all()

    def _note(self, method: str | None, told: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self.loads += 1
            case "Network.requestWillBeSent":
                self.requested.append(told["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(told["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Audits.issueAdded":
                self.complaints.append(str(told))
            case _:
                pass

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE_SECONDS):
            told = await answer
        if "error" in told:
            raise AssertionError(f"{method}: {told['error']}")
        result: dict[str, Any] = told["result"]
        return result

    async def look_like(self, width: int, height: int = 800, *, scheme: str = "light", mobile: bool = False) -> None:
        """Be a screen of this size, on a phone or not, of somebody who likes light or dark."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile
        )
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def open(self, url: str) -> None:
        """Load a page."""
        loads = self.loads
        await self.call("Page.navigate", url=url)
        await self.loaded(loads + 1)

    async def loaded(self, loads: int) -> None:
        """Wait until so many documents are loaded."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: self.loads >= loads)

    async def value(self, expression: str) -> Any:  # noqa: ANN401
        """Return what a JavaScript expression comes to."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    async def screenshot(self, width: int, height: int) -> bytes:
        """Return the upper left of the page as PNG, seen or not."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        told = await self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(told["data"])


@contextlib.asynccontextmanager
async def browsing(program: str, folder: Path) -> AsyncIterator[Tab]:
    """Run a browser with an empty profile in a folder, and one tab, while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        program, *_FLAGS, f"--user-data-dir={folder}", "about:blank", stderr=asyncio.subprocess.PIPE
    )
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(PATIENCE_SECONDS):
                address = await _tab(session, await _port(process))
            async with session.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                listening = asyncio.create_task(tab.listen(), name="browser")
                for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
                    await tab.call(f"{domain}.enable")
                yield tab
            await listening
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> str:
    """Return where its DevTools listen, once they do."""
    if process.stderr is None:
        raise RuntimeError("the browser was started without a pipe")
    said: list[str] = []
    async for line in process.stderr:
        said.append(line.decode(errors="replace"))
        if found := re.search(r"DevTools listening on ws://(127\.0\.0\.1:\d+)/", said[-1]):
            return found[1]
    raise AssertionError(f"the browser did not start: {''.join(said)}")


async def _tab(session: aiohttp.ClientSession, port: str) -> str:
    """Return where its first tab is."""
    while True:
        async with session.get(f"http://{port}/json/list") as answer:
            tabs = [each for each in await answer.json() if each["type"] == "page"]
        if tabs:
            address: str = tabs[0]["webSocketDebuggerUrl"]
            return address

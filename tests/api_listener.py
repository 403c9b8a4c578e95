"""The API listener of a running exporter, as the contract describes it, for those who call it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

SENT_AT = "2026-01-23T10:30:00.000Z"


class ApiListener:
    """Takes every message; a test says when each ends."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.url = ""
        self.known: dict[str, dict[str, Any]] = {}
        self.requests: list[web.Request] = []
        self.posted: list[list[dict[str, Any]]] = []
        self.waits: list[float] = []
        self.asked: Counter[str] = Counter()
        self.answers: list[web.Response] = []
        """What the next calls are answered in place of what they should be."""
        self.breaking = 0
        """How many of the next calls about messages lose their connection."""
        self.rejecting: dict[str, str] = {}
        """Why a message is rejected, by its id."""
        self.ending: dict[int, str] = {}
        """Which message is delivered as soon as the n-th is sent through the relay."""
        self.sent: list[dict[str, Any]] = []
        """The messages that were sent through the relay; the n-th has the id `m` and n."""
        self._ends: dict[str, asyncio.Event] = {}
        self._news = asyncio.Condition()

    async def end(self, message_id: str, outcome: str = "delivered", **more: Any) -> None:  # noqa: ANN401
        """End a message, handed in or not yet."""
        self.known[message_id] = described(message_id, status=outcome, final=True, outcome=outcome, **more)
        self._ends.setdefault(message_id, asyncio.Event()).set()

    async def came(self, calls: int) -> None:
        """Return when so many calls about messages have come."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(lambda: self.asked.total() >= calls)

    async def post(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        if (early := self._early(request)) is not None:
            return early
        messages = await request.json()
        assert request.content_type == "application/json"
        self.posted.append(messages)
        rejected = [
            {"index": index, "messageId": each["messageId"], "error": self.rejecting[each["messageId"]]}
            for index, each in enumerate(messages)
            if each["messageId"] in self.rejecting
        ]
        fresh = [each["messageId"] for each in messages if each["messageId"] not in self.known]
        for message_id in fresh:
            self.known[message_id] = described(message_id)
        duplicates = len(messages) - len(fresh)
        body = {"accepted": len(fresh) - len(rejected), "duplicates": duplicates, "rejected": rejected}
        return web.json_response(body, status=202)

    async def send(self, request: web.Request) -> web.Response:
        """Answer as SMSBat does, through the relay."""
        (message,) = (await request.json())["messages"]
        self.sent.append(message)
        message_id = f"m{len(self.sent)}"
        self.known[message_id] = described(message_id)
        if len(self.sent) in self.ending:
            await self.end(self.ending[len(self.sent)])
        return web.json_response({"messagelistId": 1, "messages": [{"messageId": message_id, "status": "accepted"}]})

    async def get(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        message_id = request.match_info["id"]
        async with self._news:
            self.asked[message_id] += 1
            self._news.notify_all()
        if self.breaking and request.transport is not None:
            self.breaking -= 1
            request.transport.abort()
        if (early := self._early(request)) is not None:
            return early
        if message_id not in self.known:
            return error(404, "unknown", "no such message")
        wait = re.fullmatch(r"(?:(\d+)m)?(?:([\d.]+)s|(\d+)ms)?", request.query.get("wait", ""))
        assert wait is not None
        seconds = 60.0 * int(wait[1] or 0) + float(wait[2] or 0) + int(wait[3] or 0) / 1000
        assert seconds <= 60.0
        self.waits.append(seconds)
        if not self.known[message_id]["final"]:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._ends.setdefault(message_id, asyncio.Event()).wait()
        return web.json_response(self.known[message_id])

    def _early(self, request: web.Request) -> web.Response | None:
        if self.token is not None and request.headers.get("X-Exporter-Token") != self.token:
            return error(401, "token", "send the token as X-Exporter-Token")
        return self.answers.pop(0) if self.answers else None


def described(message_id: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a message as the API describes it: in flight, unless told otherwise."""
    known = {"messageId": message_id, "account": "main", "channel": "sms", "status": "processing", "final": False}
    nothing = ("outcome", "finishedAt", "partsCount", "cost", "currency", "rate", "fallbackUsed", "via")
    known |= dict.fromkeys((*nothing, "timeToDelivery", "traceId"))
    return known | {"sentAt": SENT_AT, "acceptedAt": SENT_AT, "polls": 1} | more


def error(status: int, code: str, message: str, **headers: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


@contextlib.asynccontextmanager
async def listening(token: str | None = None) -> AsyncIterator[ApiListener]:
    """Listen on loopback while the block lasts."""
    listener = ApiListener(token)
    app = web.Application()
    app.router.add_post("/api/v1/messages", listener.post)
    app.router.add_get("/api/v1/messages/{id}", listener.get)
    app.router.add_post("/bat/messagelist", listener.send)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    listener.url = f"http://{host}:{port}"
    try:
        yield listener
    finally:
        await runner.cleanup()

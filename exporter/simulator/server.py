"""The HTTP face of the simulated API: who may call what, and what each call is answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import msgspec
from aiohttp import web

from exporter.simulator.accounts import API_KEY_HEADER
from exporter.simulator.answers import encoded
from exporter.simulator.control import PREFIX as CONTROL
from exporter.simulator.draws import Draws
from exporter.simulator.faulty import faulty_answer
from exporter.simulator.replies import coded_error, error, ok, retry_after, status_answer
from exporter.simulator.sending import MAX_MESSAGES, Batch

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.simulator.accounts import Caller, Doors
    from exporter.simulator.control import Control
    from exporter.simulator.faults import Faults
    from exporter.simulator.ledger import Ledger
    from exporter.simulator.registry import Registry

_STATUS: Final = "/bat/message/"
_SEND: Final = "/bat/messagelist"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a status call takes: log-normal, in real time."""

    median_seconds: float = 0.08
    sigma: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Answers HTTP calls; the path is taken apart by hand, because a router costs more than the answer."""

    doors: Doors
    ledger: Ledger
    faults: Faults
    registry: Registry
    control: Control
    clock: Clock
    seed: int
    latency: Latency | None

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one call."""
        path = request.raw_path
        if path.startswith(_STATUS) and request.method == "GET":
            return await self._status(request, path[len(_STATUS) :])
        if path.startswith(CONTROL):
            return await self.control.answer(request)
        if path.partition("?")[0] == _SEND and request.method == "POST":
            return await self._send(request)
        return error(404, "Not found")

    async def _status(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        caller = self.doors.caller(request.headers)
        if caller is None:
            return _unauthorized(request)
        message_id = unquote(rest.partition("?")[0])
        now, account = self.clock.now(), caller.account.name
        entry = self.ledger.find(account, message_id)
        self.ledger.arrived(account, entry, now)
        body = None if entry is None else entry.answer_at(now)
        calls = 0 if entry is None else entry.calls
        fault = self.faults.striking(account, message_id, calls) if self.faults else None
        if fault is not None:
            self.ledger.answers[account, fault.kind.value] += 1
            return await faulty_answer(request, fault, body, now)
        response = _limited(caller, now) or status_answer(body)
        self.ledger.answers[account, str(response.status)] += 1
        if self.latency is not None:
            await asyncio.sleep(self._latency_seconds(self.latency, message_id, calls))
        return response

    def _latency_seconds(self, latency: Latency, message_id: str, call: int) -> float:
        return Draws(self.seed, "latency", message_id, call).lognormal(latency.median_seconds, latency.sigma)

    async def _send(self, request: web.BaseRequest) -> web.Response:
        caller = self.doors.caller(request.headers)
        if caller is None:
            return _unauthorized(request)
        if request.content_type != "application/json":
            return coded_error(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
        try:
            batch = msgspec.json.decode(await request.read(), type=Batch)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return coded_error(400, "BAD_REQUEST", "The body is no list of messages")
        if len(batch.messages) > MAX_MESSAGES:
            return coded_error(400, "TOO_MANY_MESSAGES", f"At most {MAX_MESSAGES} messages a request")
        return ok(encoded(self.registry.send(batch, caller.account.name, self.clock.now())))


def _limited(caller: Caller, now: float) -> web.Response | None:
    """Return 429 when the account has used up its calls."""
    wait_seconds = caller.bucket.wait_seconds(now) if caller.bucket is not None else 0.0
    if not wait_seconds:
        return None
    return error(429, "Too many requests", retry_after(wait_seconds, caller.account.retry_after, now))


def _unauthorized(request: web.BaseRequest) -> web.Response:
    """Return 401: one shape for missing credentials, the other for wrong ones."""
    if API_KEY_HEADER in request.headers or "Authorization" in request.headers:
        return coded_error(401, "UNAUTHORIZED", "Invalid credentials")
    return error(401, "Authentication required")

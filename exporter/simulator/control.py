"""The control endpoint: tools on this machine switch faults, add messages and read the ledger over HTTP."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from exporter.simulator.answers import encoded
from exporter.simulator.fate import Request
from exporter.simulator.faults import Fault
from exporter.simulator.lives import Life
from exporter.simulator.replies import error, ok

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exporter.clock import Clock
    from exporter.simulator.entry import TotalKey
    from exporter.simulator.faults import Faults
    from exporter.simulator.ledger import Ledger, Total
    from exporter.simulator.registry import Registry

PREFIX: Final = "/_control/"


class ControlMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A message to add without a send call."""

    message_id: str
    account: str
    channel: str
    fallbacks: tuple[str, ...] = ()
    sent_at: float | None = None
    """Unix seconds; now when missing."""
    states: list[tuple[float, str]] | None = None
    """Seconds after sending and status; drawn from the profile when missing."""
    cost: str | None = None
    """Of a message whose states are given."""


class Control:
    """Answers calls below `/_control/`, which exist for loopback only."""

    def __init__(self, *, faults: Faults, ledger: Ledger, registry: Registry, clock: Clock) -> None:
        self._faults = faults
        self._ledger = ledger
        self._registry = registry
        self._clock = clock
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[web.Response]]] = {
            ("GET", "faults"): self._show_faults,
            ("PUT", "faults"): self._set_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("PUT", "messages"): self._add_messages,
            ("GET", "ledger"): self._show_ledger,
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Do what the call asks for; 404 for a caller on another machine, 400 for a body that is no such thing."""
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None or not _loopback(request.remote):
            return error(404, "Not found")
        try:
            return await route(request)
        except (msgspec.DecodeError, ValueError) as problem:
            return error(400, str(problem))

    async def _show_faults(self, _: web.BaseRequest) -> web.Response:
        return ok(encoded(self._faults.active))

    async def _set_faults(self, request: web.BaseRequest) -> web.Response:
        self._faults.set(*msgspec.json.decode(await request.read(), type=list[Fault]))
        return ok(encoded(self._faults.active))

    async def _clear_faults(self, _: web.BaseRequest) -> web.Response:
        self._faults.clear()
        return ok(b"[]")

    async def _add_messages(self, request: web.BaseRequest) -> web.Response:
        messages = msgspec.json.decode(await request.read(), type=list[ControlMessage])
        now = self._clock.now()
        for message in messages:
            self._registry.register(
                Request(message.message_id, message.channel, message.fallbacks),
                account=message.account,
                sent_at=now if message.sent_at is None else message.sent_at,
                life=None if message.states is None else Life.scripted(message.states, cost=message.cost),
            )
        return ok(encoded({"added": len(messages)}))

    async def _show_ledger(self, request: web.BaseRequest) -> web.Response:
        ended_by = float(request.query["ended_by"]) if "ended_by" in request.query else None
        totals = self._ledger.totals(ended_by)
        calls = {f"{account} {answer}": n for (account, answer), n in sorted(self._ledger.answers.items())}
        return ok(
            encoded({"totals": [_row(key, total) for key, total in sorted(totals.items(), key=_order)], "calls": calls})
        )


def _order(item: tuple[TotalKey, Total]) -> tuple[str, ...]:
    key = item[0]
    return (key.account, key.channel, key.truth.value, key.fallback)


def _row(key: TotalKey, total: Total) -> dict[str, object]:
    return key._asdict() | asdict(total)


def _loopback(remote: str | None) -> bool:
    return remote is not None and ipaddress.ip_address(remote).is_loopback

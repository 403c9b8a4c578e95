"""The relay's paths on a listener that is up before the relay, and where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

SEND: Final = "/bat/messagelist"
STATUS: Final = "/bat/message/"
_ANYTHING: Final = r"[\s\S]*"
"""What is no message id is told so."""


class Relaying(Protocol):
    """A relay at work."""

    async def send(self, request: web.Request) -> web.Response:
        """Forward a send."""

    async def status(self, request: web.Request) -> web.Response:
        """Answer a status call."""


def routes(relay: Callable[[], Relaying | None]) -> list[web.RouteDef]:
    """Return the relay's paths; `relay` gives None while the exporter starts.

    The server must leave bodies as they come: `handler_args={"auto_decompress": False}` of its application.
    """

    async def send(request: web.Request) -> web.Response:
        """Answer a send."""
        at_work = relay()
        return _starting() if at_work is None else await at_work.send(request)

    async def status(request: web.Request) -> web.Response:
        """Answer a status call."""
        at_work = relay()
        return _starting() if at_work is None else await at_work.status(request)

    return [
        route
        for prefix in ("", "/a/{account}")
        for route in (
            web.post(f"{prefix}{SEND}", send),
            web.get(f"{prefix}{STATUS}{{id:{_ANYTHING}}}", status, allow_head=False),
        )
    ]


def _starting() -> web.Response:
    from exporter.intake.relay import replies  # noqa: PLC0415 (without a relay nobody needs the rest of it)

    return replies.starting()

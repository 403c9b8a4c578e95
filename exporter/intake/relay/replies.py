"""What callers of the relay are answered: SMSBat's answers, and errors of our own as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from exporter.intake.relay.forwarding import Unanswered
from exporter.message import PollResult
from exporter.reading import MAX_BODY_BYTES

if TYPE_CHECKING:
    from exporter.client import NoResponse
    from exporter.intake.relay.cache import Told
    from exporter.intake.relay.forwarding import Answer

_NO_RESPONSE: Final = {
    PollResult.TIMEOUT: ("timeout", "SMSBat did not answer in time"),
    PollResult.UNREADABLE: ("answer_cut_off", "SMSBat's answer broke off"),
}
_UNREACHABLE: Final = ("unreachable", "SMSBat cannot be reached")


def error(status: int, code: str, message: str) -> web.Response:
    """Return an error of our own."""
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return web.Response(status=status, body=body, content_type="application/json")


def forwarded(answer: Answer | Unanswered) -> web.Response:
    """Return SMSBat's answer as it came, or 502 when there is none."""
    if isinstance(answer, Unanswered):
        return error(502, answer.code, answer.message)
    return _as_it_came(answer.status, answer.headers, answer.body)


def told(answer: Told, now: float) -> web.Response:
    """Return SMSBat's answer about a message, with its age; 502 for one that was cut because it is too long."""
    if len(answer.body) > MAX_BODY_BYTES:
        return error(502, "answer_too_large", "SMSBat's answer is too long to be passed on")
    given = {
        "Content-Type": answer.content_type,
        "Content-Encoding": answer.content_encoding,
        "Retry-After": answer.retry_after,
        "Age": str(max(0, int(now - answer.arrived_at))),
    }
    headers = CIMultiDict((name, value) for name, value in given.items() if value is not None)
    return _as_it_came(answer.code, headers, answer.body)


def not_told(answer: NoResponse) -> web.Response:
    """Return 502: SMSBat was asked about a message, and no answer came."""
    return error(502, *_NO_RESPONSE.get(answer.result, _UNREACHABLE))


def later(seconds: float) -> web.Response:
    """Return 503: the account may make no call now."""
    return _busy("no_budget", "the account's request budget allows no call now", seconds)


def starting() -> web.Response:
    """Return 503: nothing can be tracked yet."""
    return _busy("starting", "the exporter is starting", 1.0)


def _busy(code: str, message: str, seconds: float) -> web.Response:
    response = error(503, code, message)
    response.headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    return response


def _as_it_came(status: int, headers: CIMultiDict[str], body: bytes) -> web.Response:
    return web.Response(status=status, headers=headers, body=body)

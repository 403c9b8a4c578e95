"""The HTTP answers of the simulated API: a status, and errors in the two shapes that SMSBat documents."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from exporter.simulator.answers import encoded

if TYPE_CHECKING:
    from collections.abc import Mapping

RetryAfterForm = Literal["none", "seconds", "date"]

_JSON: Final = CIMultiDictProxy(CIMultiDict({"Content-Type": "application/json; charset=utf-8"}))


def ok(body: bytes) -> web.Response:
    """Return 200 with JSON."""
    return web.Response(body=body, headers=_JSON)


def status_answer(body: bytes | None) -> web.Response:
    """Return 200, or 404 when there is no body."""
    return error(404, "Message not found") if body is None else ok(body)


def error(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error in the first of the two shapes; 204 and 304 have no body."""
    body = None if status in (204, 304) else encoded({"error": {"code": status, "message": message}})
    return web.Response(status=status, body=body, headers={**_JSON, **(headers or {})})


def coded_error(status: int, code: str, message: str) -> web.Response:
    """Return an error in the second of the two shapes."""
    body = encoded({"success": False, "errorCode": code, "errorMessage": message})
    return web.Response(status=status, body=body, headers=_JSON)


def retry_after(seconds: float, form: RetryAfterForm, now: float) -> dict[str, str]:
    """Return the header, as whole seconds or as a date, or none."""
    match form:
        case "none":
            return {}
        case "seconds":
            return {"Retry-After": str(math.ceil(seconds))}
        case "date":
            return {"Retry-After": formatdate(math.ceil(now + seconds), usegmt=True)}

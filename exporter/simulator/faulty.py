"""Answers a status call the way a fault wants it: late, never, torn, or with nonsense in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.replies import error, retry_after, status_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK: Final = b" " * 65536
_HTML: Final = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon.</body></html>"


async def faulty_answer(  # noqa: PLR0911 - one for each kind
    request: web.BaseRequest, fault: Fault, body: bytes | None, now: float
) -> web.StreamResponse:
    """Return what the fault makes of a call whose true answer is `body`; what spoils a body leaves a 404 alone."""
    match fault.kind:
        case FaultKind.SLOW:
            await asyncio.sleep(fault.delay_seconds)
            return status_answer(body)
        case FaultKind.HANG:
            await asyncio.Event().wait()  # cancelled when the caller leaves or the server closes
            return status_answer(body)
        case FaultKind.RESET:
            return _dropped(request)
        case FaultKind.CUT:
            return await _cut(request, body or b"{}")
        case FaultKind.STATUS:
            return error(fault.status, "Simulated fault", _headers(fault, now))
        case FaultKind.HTML:
            return web.Response(body=_HTML, headers={"Content-Type": "text/html; charset=utf-8"})
        case FaultKind.HUGE:
            return await _huge(request, fault.size_bytes)
        case FaultKind.TRUNCATED | FaultKind.BAD_UTF8 | FaultKind.WRONG_ID | FaultKind.NAN:
            return status_answer(None if body is None else spoilt(body, fault.kind))


def spoilt(body: bytes, kind: FaultKind) -> bytes:
    """Return the JSON with one thing wrong in it."""
    if kind is FaultKind.TRUNCATED:
        return body[: len(body) // 2]
    if kind is FaultKind.BAD_UTF8:
        return body.replace(b'"deliverystatus":"', b'"deliverystatus":"\xff\xfe')
    if kind is FaultKind.WRONG_ID:
        return body.replace(b'"messageId":"', b'"messageId":"another-')
    return body[:-1] + b',"cost":NaN}'


def _headers(fault: Fault, now: float) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if fault.location is not None:
        headers["Location"] = fault.location
    if fault.retry_after is not None:
        headers |= retry_after(fault.retry_after, fault.retry_after_as, now)
    return headers


def _dropped(request: web.BaseRequest) -> web.StreamResponse:
    """Drop the connection; what is returned goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()  # flushes the half that was written
    return response


async def _huge(request: web.BaseRequest, size_bytes: int) -> web.StreamResponse:
    """Send blanks, a chunk at a time, for as long as somebody takes them."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for start in range(0, size_bytes, len(_CHUNK)):
        await response.write(_CHUNK[: size_bytes - start])
    return response

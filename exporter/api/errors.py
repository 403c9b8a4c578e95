"""Every answer that is an error, as JSON of one shape."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from exporter.admission import FullError
from exporter.store import StoreError
from exporter.waiting import TooManyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.typedefs import Handler

_RETRY_SECONDS: Final = 5


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a word for programs, a sentence for people."""

    code: str
    message: str


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every error."""

    error: ErrorBody


class RefusedError(Exception):
    """A request that cannot be done as it is; the text says what to change."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        """Take the HTTP status, a word for programs and a sentence for people."""
        super().__init__(message)
        self.status = status
        self.code = code


def failure(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error's answer."""
    body = msgspec.json.encode(ErrorAnswer(ErrorBody(code, message)))
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


_LATER: Final[Mapping[type[Exception], tuple[int, str, str]]] = {
    FullError: (429, "full", "as many messages are in flight as intake.max_in_flight allows"),
    TooManyError: (503, "too_many_waiters", "too many callers wait for messages; ask again without wait"),
    StoreError: (503, "store", "the store does not work now; GET /-/healthy of the web listener says why"),
}
"""What passes by itself: the status, the word and the sentence."""


def answering(handler: Handler, check: Callable[[web.Request], None]) -> Handler:
    """Return a handler that checks each request first, and turns whatever stops it into an answer.

    No middleware: with those aiohttp keeps two coroutines for each of thousands of waiting requests, not one.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        try:
            check(request)
            return await handler(request)
        except RefusedError as error:
            return failure(error.status, error.code, str(error))
        except (FullError, TooManyError, StoreError) as error:
            status, code, message = next(told for kind, told in _LATER.items() if isinstance(error, kind))
            return failure(status, code, message, {"Retry-After": str(_RETRY_SECONDS)})

    return answer


def refusing(status: HTTPStatus, **headers: str) -> Handler:
    """Return a handler for what the paths do not know."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        """Refuse a request."""
        return failure(status, status.phrase.lower().replace(" ", "_"), status.phrase, headers)

    return refuse

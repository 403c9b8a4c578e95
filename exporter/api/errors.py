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
    from collections.abc import Mapping

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


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever stops a request into an answer."""
    try:
        return await handler(request)
    except RefusedError as error:
        return failure(error.status, error.code, str(error))
    except (FullError, TooManyError, StoreError) as error:
        status, code, message = next(told for kind, told in _LATER.items() if isinstance(error, kind))
        return failure(status, code, message, {"Retry-After": str(_RETRY_SECONDS)})
    except web.HTTPRequestEntityTooLarge:
        return failure(413, "too_large", "the body is over 8 MiB")
    except web.HTTPException as error:
        # The router's: no such path, or another method (then with the Allow header).
        headers = {name: value for name, value in error.headers.items() if name == "Allow"}
        return failure(error.status, _code(error.status), error.reason, headers)


def _code(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")

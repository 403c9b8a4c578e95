"""A request's body as a whole, within bounds; what stops it is an answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from exporter.api.errors import RefusedError
from exporter.intake.bodies import TooLargeError, UnreadableError, plain, received

if TYPE_CHECKING:
    from aiohttp import web

LINGERING_SECONDS: Final = 1.0
"""How long the rest of a body is still read, and dropped, once its request is answered."""


async def whole_body(request: web.Request, longest: int) -> bytes:
    """Return the body, decompressed, of at most `longest` bytes; raises RefusedError."""
    encoding = request.headers.get("Content-Encoding", "")
    try:
        return plain(await received(request.content, longest), encoding, longest)
    except TimeoutError:
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "slow", "the body took longer than 10 s") from None
    except TooLargeError:
        text = f"the body is over {longest // 1024:,} KiB"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text) from None
    except UnreadableError:
        text = "the body broke off, or is not what its Content-Encoding says"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "body", text) from None

"""Sends a request on to SMSBat, once, and reads its answer as it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from exporter.intake.relay.headers import coming_back

if TYPE_CHECKING:
    from multidict import CIMultiDict
    from yarl import URL

    from exporter.intake.relay.lines import Line

_LONGEST_ANSWER_BYTES: Final = 32 * 1024 * 1024
"""A send of 5,000 messages is answered with less than one."""


class Answer(msgspec.Struct, frozen=True):
    """What SMSBat answered, as the caller gets it."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


class Unanswered(msgspec.Struct, frozen=True):
    """Why there is no answer to pass back: a word and a sentence, for the body of a 502."""

    code: str
    message: str


class Outgoing(msgspec.Struct, frozen=True):
    """A request as SMSBat gets it."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    body: bytes


async def forward(line: Line, request: Outgoing) -> Answer | Unanswered:
    """Make one call; follows no redirect, repeats nothing, raises nothing expected."""
    began = False
    try:
        async with (
            asyncio.timeout(line.timeout_seconds),
            line.session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body or None,
                allow_redirects=False,
            ) as response,
        ):
            began = True
            body = await _body(response)
            if body is None:
                return Unanswered("answer_too_large", "SMSBat's answer is too long to be passed on")
            return Answer(response.status, coming_back(response.headers), body)
    except TimeoutError:
        return Unanswered("timeout", f"SMSBat did not answer within {line.timeout_seconds:g} s")
    except aiohttp.ClientConnectorError:
        return Unanswered("unreachable", "SMSBat cannot be reached")
    except (aiohttp.ClientError, OSError, ValueError):
        if began:
            return Unanswered("answer_cut_off", "SMSBat's answer broke off")
        return Unanswered("no_answer", "SMSBat closed the connection, or gave no answer that can be read")


async def _body(response: aiohttp.ClientResponse) -> bytes | None:
    """Read all of an answer; None when it is too long, and then its connection is not used again."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LONGEST_ANSWER_BYTES:
            response.close()
            return None
    return bytes(body)

"""The bodies of sends: read as they come, and for reading along without their compression; both within bounds."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from aiohttp import StreamReader, web

_LONGEST_BYTES: Final = 16 * 1024 * 1024
_SLOWEST_SECONDS: Final = 10.0
_ANY_HEADER: Final = zlib.MAX_WBITS | 32
"""gzip's or zlib's, whichever is there."""
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})


class TooLargeError(Exception):
    """A body is longer than a send can be."""


class CutOffError(Exception):
    """A body broke off, or is not framed as HTTP frames one."""


async def received(content: StreamReader) -> bytes:
    """Read a request's body as it comes.

    Raises TooLargeError, CutOffError, and TimeoutError when it takes over 10 s.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_SLOWEST_SECONDS):
            async for chunk in content.iter_any():
                body += chunk
                if len(body) > _LONGEST_BYTES:
                    raise TooLargeError
    except (ConnectionError, RuntimeError, web.RequestPayloadError) as error:
        # aiohttp says RuntimeError when the connection has gone before the first read.
        raise CutOffError from error
    return bytes(body)


def plain(body: bytes, encoding: str) -> bytes | None:
    """Return a body as it was before its Content-Encoding; None when that cannot be undone, or is too long."""
    word = encoding.strip().lower()
    if word in {"", "identity"}:
        return body if len(body) <= _LONGEST_BYTES else None
    return _inflated(body) if word in _COMPRESSED else None


def _inflated(body: bytes) -> bytes | None:
    """Undo gzip, which may have several members, or deflate."""
    whole = b""
    while body:
        inflater = zlib.decompressobj(_ANY_HEADER)
        try:
            whole += inflater.decompress(body, _LONGEST_BYTES + 1 - len(whole))
        except zlib.error:
            return None
        if not inflater.eof or len(whole) > _LONGEST_BYTES:
            return None
        body = inflater.unused_data
    return whole

"""The bodies of requests: read as they come, and without their compression; neither for long nor without end."""

from __future__ import annotations

import asyncio
import zlib
from typing import Final

from aiohttp import StreamReader, web

_SLOWEST_SECONDS: Final = 10.0
_ANY_HEADER: Final = zlib.MAX_WBITS | 32
"""gzip's or zlib's, whichever is there."""
_COMPRESSED: Final = frozenset({"gzip", "x-gzip", "deflate"})


class TooLargeError(Exception):
    """A body is longer than it may be, as it came or decompressed."""


class UnreadableError(Exception):
    """A body broke off, or is not what its headers say."""


async def received(content: StreamReader, longest: int) -> bytes:
    """Read a request's body as it comes, from a server that leaves compression alone (`auto_decompress=False`).

    Raises TooLargeError over `longest` bytes, UnreadableError, and TimeoutError when it takes over 10 s.
    """
    try:
        # Most bodies came with their headers: there is nothing to wait for.
        body = content.read_nowait() if content.is_eof() else await _awaited(content, longest)
        if len(body) > longest:
            raise TooLargeError
    except (ConnectionError, RuntimeError, web.RequestPayloadError) as error:
        # aiohttp says RuntimeError when the connection has gone before the first read.
        raise UnreadableError from error
    return body


async def _awaited(content: StreamReader, longest: int) -> bytes:
    body = bytearray()
    async with asyncio.timeout(_SLOWEST_SECONDS):
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > longest:
                break
    return bytes(body)


def plain(body: bytes, encoding: str, longest: int) -> bytes:
    """Return a body as it was before its Content-Encoding.

    Raises TooLargeError over `longest` bytes, UnreadableError for what cannot be undone.
    """
    word = encoding.strip().lower()
    if word in _COMPRESSED:
        return _inflated(body, longest)
    if word not in {"", "identity"}:
        raise UnreadableError
    if len(body) > longest:
        raise TooLargeError
    return body


def _inflated(body: bytes, longest: int) -> bytes:
    """Undo gzip, which may have several members, or deflate."""
    whole = b""
    while body:
        inflater = zlib.decompressobj(_ANY_HEADER)
        try:
            whole += inflater.decompress(body, longest + 1 - len(whole))
        except zlib.error as error:
            raise UnreadableError from error
        if len(whole) > longest:
            raise TooLargeError
        if not inflater.eof:
            raise UnreadableError
        body = inflater.unused_data
    return whole

"""Bodies of requests as they come, and without their compression."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from exporter.intake.bodies import TooLargeError, UnreadableError, plain, received


@pytest.mark.parametrize(
    ("body", "encoding", "whole"),
    [
        (b"{}", "", b"{}"),
        (b"{}", "identity", b"{}"),
        (gzip.compress(b"{}"), "gzip", b"{}"),
        (gzip.compress(b"{}"), " X-GZIP ", b"{}"),
        (zlib.compress(b"{}"), "deflate", b"{}"),
        (gzip.compress(b"[1,") + gzip.compress(b"2]"), "gzip", b"[1,2]"),
        (b"", "gzip", b""),
    ],
)
def test_compression_is_undone(body: bytes, encoding: str, whole: bytes) -> None:
    assert plain(body, encoding, 100) == whole


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"{}", "gzip"),
        (gzip.compress(b"{}")[:-1], "gzip"),
        (gzip.compress(b"{}") + b"x", "gzip"),
        (b"{}", "br"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip"),
    ],
)
def test_what_cannot_be_undone_is_unreadable(body: bytes, encoding: str) -> None:
    with pytest.raises(UnreadableError):
        plain(body, encoding, 100)


@pytest.mark.parametrize(
    ("encoding", "body", "fits"),
    [
        ("", b"x" * 1_000, True),
        ("", b"x" * 1_001, False),
        ("gzip", gzip.compress(b"x" * 1_000), True),
        ("gzip", gzip.compress(b"x" * 1_001), False),
        ("gzip", gzip.compress(b"x" * 100_000_000), False),
        ("gzip", gzip.compress(b"x" * 500) * 2, True),
        ("gzip", gzip.compress(b"x" * 501) * 2, False),
    ],
)
def test_a_body_may_be_as_long_as_its_reader_says_and_no_longer(encoding: str, body: bytes, fits: bool) -> None:  # noqa: FBT001
    with contextlib.nullcontext() if fits else pytest.raises(TooLargeError):
        assert len(plain(body, encoding, 1_000)) == 1_000


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate", "br"]) | st.text(max_size=10))
def test_any_body_is_read_or_not(body: bytes, encoding: str) -> None:
    with contextlib.suppress(UnreadableError, TooLargeError):
        assert len(plain(body, encoding, 100)) <= 100


def stream(*chunks: bytes) -> StreamReader:
    loop = asyncio.get_running_loop()
    reader = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    for chunk in chunks:
        reader.feed_data(chunk)
    return reader


async def test_a_body_that_comes_in_pieces_is_one() -> None:
    reader = stream(b"ab", b"c")
    reader.feed_eof()
    assert await received(reader, 3) == b"abc"


async def test_a_body_is_not_read_on_once_it_is_too_long() -> None:
    with pytest.raises(TooLargeError):
        await received(stream(b"abc"), 2)


async def test_a_body_whose_connection_has_gone_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        await received(stream(b"abc"), 10)

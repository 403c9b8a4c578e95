"""Bodies of sends as they come, and without their compression."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from hypothesis import given
from hypothesis import strategies as st

from exporter.intake.relay import bodies
from exporter.intake.relay.bodies import TooLargeError, plain, received


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
        (b"{}", "gzip", None),
        (gzip.compress(b"{}")[:-1], "gzip", None),
        (gzip.compress(b"{}") + b"x", "gzip", None),
        (b"{}", "br", None),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", None),
    ],
)
def test_compression_is_undone_where_it_is_known(body: bytes, encoding: str, whole: bytes | None) -> None:
    assert plain(body, encoding) == whole


def test_a_body_may_be_as_long_as_a_send_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_LONGEST_BYTES", 1_000)
    assert plain(b"x" * 1_000, "") is not None
    assert plain(b"x" * 1_001, "") is None
    assert plain(gzip.compress(b"x" * 1_000), "gzip") is not None
    assert plain(gzip.compress(b"x" * 1_001), "gzip") is None
    assert plain(gzip.compress(b"x" * 600) * 2, "gzip") is None


@given(st.binary(max_size=200), st.sampled_from(["", "gzip", "deflate", "br"]) | st.text(max_size=10))
def test_any_body_is_read_or_not(body: bytes, encoding: str) -> None:
    assert isinstance(plain(body, encoding), bytes | None)


def stream(*chunks: bytes) -> StreamReader:
    loop = asyncio.get_running_loop()
    reader = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    for chunk in chunks:
        reader.feed_data(chunk)
    return reader


async def test_a_body_that_comes_in_pieces_is_one() -> None:
    reader = stream(b"ab", b"c")
    reader.feed_eof()
    assert await received(reader) == b"abc"


async def test_a_body_is_not_read_on_once_it_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_LONGEST_BYTES", 2)
    with pytest.raises(TooLargeError):
        await received(stream(b"abc"))

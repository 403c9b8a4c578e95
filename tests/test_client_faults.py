"""Servers that misbehave: every fault is a result, no request is repeated, and no body costs more than its limit."""

from __future__ import annotations

import asyncio
import gzip
import socket
import tracemalloc
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from exporter.client import Client, NoResponse, Response
from exporter.config import Account
from exporter.message import PollResult
from exporter.reading import MAX_BODY_BYTES
from tests.raw_server import Handler, answering, response, saying, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = 1_700_000_000.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = b"x" * 2**20


@asynccontextmanager
async def client_of(url: str, request_timeout: str = "10s") -> AsyncIterator[Client]:
    auth = {"method": "header", "api_key": "key-1"}
    settings = {"name": "main", "base_url": url, "auth": auth, "request_timeout": request_timeout}
    client = Client(Account.model_validate(settings))
    try:
        yield client
    finally:
        await client.close()


async def result_of(handler: Handler, request_timeout: str = "10s") -> tuple[Response | NoResponse, int]:
    """Return what one call comes to, and how many requests the server got."""
    async with serving(handler) as server, client_of(server.url, request_timeout) as client:
        return await client.get("m1", NOW), len(server.requests)


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte at each turn of the loop, for as long as anybody listens."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("handler", "result"),
    [
        (reset, PollResult.CONNECTION_ERROR),
        (saying(), PollResult.CONNECTION_ERROR),
        (saying(b"HTTP/1.1 200 OK\r\nContent-"), PollResult.CONNECTION_ERROR),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), PollResult.CONNECTION_ERROR),
        (saying(b"HTTP/1.1 abc OK\r\n\r\n"), PollResult.CONNECTION_ERROR),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), PollResult.CONNECTION_ERROR),
        (saying(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"), PollResult.CONNECTION_ERROR),
        (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), PollResult.UNREADABLE),
        (saying(CHUNKED + b"5\r\n{"), PollResult.UNREADABLE),
    ],
)
async def test_a_connection_that_breaks_is_a_result_and_nothing_is_repeated(
    handler: Handler, result: PollResult
) -> None:
    assert await result_of(handler) == (NoResponse(result), 1)


@pytest.mark.parametrize(
    "handler",
    [
        saying(then_close=False),
        saying(b"HTTP/1.1 200 OK\r\n", then_close=False),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", then_close=False),
        saying(CHUNKED + b"1\r\n{\r\n", then_close=False),
        saying(b"HTTP/1.1 100 Continue\r\n\r\n", then_close=False),
    ],
)
async def test_a_server_that_hangs_costs_the_request_timeout(handler: Handler) -> None:
    found, requests = await result_of(handler, "100ms")
    assert found == NoResponse(PollResult.TIMEOUT)
    assert requests <= 1


async def test_a_body_that_drips_costs_the_request_timeout_or_its_limit() -> None:
    found, requests = await result_of(drip, "100ms")
    assert requests <= 1
    assert found == NoResponse(PollResult.TIMEOUT) or (isinstance(found, Response) and len(found.body) > MAX_BODY_BYTES)


async def test_a_port_where_nobody_listens_is_a_connection_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client_of(f"http://127.0.0.1:{taken.getsockname()[1]}") as client:
            assert await client.get("m1", NOW) == NoResponse(PollResult.CONNECTION_ERROR)


async def test_a_name_that_does_not_resolve_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with client_of("https://restapi.smsbat.example") as client:
        assert await client.get("m1", NOW) == NoResponse(PollResult.CONNECTION_ERROR)


async def test_chunks_that_are_none_are_a_result_whether_they_come_with_the_head_or_later() -> None:
    found, requests = await result_of(saying(CHUNKED + b"zz\r\n{}\r\n"))
    assert requests == 1
    assert found in {NoResponse(PollResult.CONNECTION_ERROR), NoResponse(PollResult.UNREADABLE)}


async def test_a_kept_alive_connection_that_drops_is_not_followed_by_a_second_request() -> None:
    async def every_second_call_drops(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) % 2:
            writer.write(response())
        else:
            writer.transport.abort()

    async with serving(every_second_call_drops) as server, client_of(server.url) as client:
        found = [await client.get(f"m{index}", NOW) for index in range(6)]
        assert server.targets == [f"/bat/message/m{index}" for index in range(6)]
    assert found == [Response(200, b"{}", None), NoResponse(PollResult.CONNECTION_ERROR)] * 3


async def test_a_server_that_closes_after_each_answer_gets_each_request_once() -> None:
    async with serving(saying(response())) as server, client_of(server.url) as client:
        for index in range(10):
            await client.get(f"m{index}", NOW)
        assert len(server.targets) == len(set(server.targets))


async def test_the_client_goes_on_after_a_fault() -> None:
    async def first_call_fails(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.transport.abort()
        else:
            writer.write(response())

    async with serving(first_call_fails) as server, client_of(server.url) as client:
        assert await client.get("m1", NOW) == NoResponse(PollResult.CONNECTION_ERROR)
        assert await client.get("m1", NOW) == Response(200, b"{}", None)


class Flood:
    """A body without end, or of 100 MB; counts what the client let through."""

    def __init__(self, head: bytes, *, chunked: bool) -> None:
        self.sent = 0
        self._head = head
        self._block = b"100000\r\n" + MEBIBYTE + b"\r\n" if chunked else MEBIBYTE

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert not reader.at_eof()
        writer.write(self._head)
        for _ in range(100):
            writer.write(self._block)
            await writer.drain()
            self.sent += 1


@pytest.mark.parametrize(
    "flood",
    [
        Flood(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", chunked=False),
        Flood(CHUNKED, chunked=True),
        Flood(b"HTTP/1.1 200 OK\r\n\r\n", chunked=False),
    ],
)
async def test_a_body_of_100_mb_is_cut_and_hung_up_on(flood: Flood) -> None:
    async with serving(flood) as server, client_of(server.url) as client:
        tracemalloc.start()
        try:
            found = await client.get("m1", NOW)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        again = await client.get("m1", NOW)
        assert server.connections == 2
    for each in (found, again):
        assert isinstance(each, Response)
        assert len(each.body) == MAX_BODY_BYTES + 1
    assert flood.sent < 30  # what the kernel's buffers hold, twice
    assert peak < 16 * 2**20


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_compressed_answer_that_nobody_asked_for_is_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(b"0" * 2**24)
    handler = answering(200, bomb, f"Content-Encoding: {encoding}\r\n")
    found, _ = await result_of(handler)
    assert isinstance(found, Response)
    assert found.body == bomb[: MAX_BODY_BYTES + 1]


async def test_no_compression_is_asked_for() -> None:
    async with serving(answering()) as server, client_of(server.url) as client:
        await client.get("m1", NOW)
        assert server.headers("Accept-Encoding") == ["identity"]


async def test_a_call_that_is_cancelled_leaves_the_client_usable() -> None:
    async def hangs_first(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            arrived.set()
            await asyncio.Event().wait()
        writer.write(response())

    arrived = asyncio.Event()
    async with serving(hangs_first) as server, client_of(server.url) as client:
        call = asyncio.create_task(client.get("m1", NOW))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await client.get("m1", NOW) == Response(200, b"{}", None)

"""Connections that come faster than they say anything."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext

import pytest

from exporter.web.entrance import Entrance
from tests.virtual_time import in_virtual_time


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


def no_tls() -> None:
    """Return the context of plain connections."""


@asynccontextmanager
async def entered(context: Callable[[], SSLContext | None] = no_tls) -> AsyncIterator[tuple[socket.socket, int]]:
    sock = socket.create_server(("127.0.0.1", 0), backlog=1000)
    entrance = Entrance(sock, Echo, context)
    try:
        yield sock, sock.getsockname()[1]
    finally:
        entrance.close()
        await asyncio.sleep(0)


ASKED = b"GET / HTTP/1.1\r\n\r\n"


async def answered(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect and ask; return the connection once it was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKED)
    assert await reader.readexactly(len(ASKED)) == ASKED
    return reader, writer


async def test_what_is_said_first_and_later_arrives_in_its_order() -> None:
    async with entered() as (_, port):
        reader, writer = await answered(port)
        for word in (b"two", b"three"):
            writer.write(word)
            assert await reader.readexactly(len(word)) == word
        writer.close()


async def test_a_head_that_comes_byte_by_byte_arrives_whole() -> None:
    async with entered() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in range(len(ASKED)):
            writer.write(ASKED[at : at + 1])
            await writer.drain()
        assert await reader.readexactly(len(ASKED)) == ASKED
        writer.close()


async def test_a_head_that_does_not_end_is_for_the_application_to_refuse() -> None:
    async with entered() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        long = b"x" * (32 * 1024 + 1)
        writer.write(long)
        assert await reader.readexactly(len(long)) == long
        writer.close()


async def test_in_a_rush_those_who_came_first_have_their_turn_before_the_last_is_accepted() -> None:
    waiting: list[bool] = []

    def context() -> None:
        if not waiting:  # whose turn it is first; do others still wait to be accepted?
            with contextlib.suppress(BlockingIOError):
                sock.accept()[0].close()
                waiting.append(True)

    with contextlib.ExitStack() as callers:
        async with entered(context) as (sock, port):
            for _ in range(50):
                callers.enter_context(socket.create_connection(("127.0.0.1", port)))
            _, writer = await answered(port)
            writer.close()
    assert waiting == [True]


async def test_of_too_many_who_say_nothing_the_oldest_go_however_fast_they_come() -> None:
    with contextlib.ExitStack() as callers:
        async with entered() as (_, port):
            silent = [callers.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(400)]
            _, writer = await answered(port)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(10):  # less than they may be silent for
                for gone in silent[: 400 - 255]:
                    gone.setblocking(False)  # noqa: FBT003 (the socket's own call)
                    with contextlib.suppress(ConnectionResetError):
                        assert await loop.sock_recv(gone, 1) == b""
            silent[-1].setblocking(False)  # noqa: FBT003 (likewise)
            await loop.sock_sendall(silent[-1], ASKED)
            assert await loop.sock_recv(silent[-1], 100) == ASKED
            writer.close()


@pytest.mark.parametrize(("says", "stays"), [(b"", False), (ASKED[:-1], False), (ASKED, True)])
@in_virtual_time
async def test_who_asks_nothing_for_half_a_minute_goes_and_who_has_asked_stays(says: bytes, stays: bool) -> None:  # noqa: FBT001
    async with entered() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        if stays:
            assert await reader.readexactly(len(says)) == says
        await asyncio.sleep(31)
        with contextlib.suppress(ConnectionResetError):
            writer.write(b"!")
            assert await reader.read(1) == (b"!" if stays else b"")
        writer.close()

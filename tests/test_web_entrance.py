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


async def test_what_is_said_first_and_later_arrives_in_its_order() -> None:
    async with entered() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for word in (b"one", b"two", b"three"):
            writer.write(word)
            assert await reader.readexactly(len(word)) == word
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
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"?")
            assert await reader.readexactly(1) == b"?"
            writer.close()
    assert waiting == [True]


async def test_of_too_many_who_say_nothing_the_oldest_go() -> None:
    async with entered() as (_, port):
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(270)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"?")
        assert await reader.readexactly(1) == b"?"
        async with asyncio.timeout(30):
            for gone, _ in silent[:14]:
                with contextlib.suppress(ConnectionResetError):
                    assert await gone.read() == b""
        writers = [writer, *(each for _, each in silent)]
        silent[-1][1].write(b"!")
        assert await silent[-1][0].readexactly(1) == b"!"
        for each in writers:
            each.close()


@pytest.mark.parametrize("says", [b"", b"?"])
@in_virtual_time
async def test_who_says_nothing_for_half_a_minute_goes_and_who_has_spoken_stays(says: bytes) -> None:
    async with entered() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(says)
        assert await reader.readexactly(len(says)) == says
        await asyncio.sleep(31)
        with contextlib.suppress(ConnectionResetError):
            writer.write(b"!")
            assert await reader.read(1) == (b"!" if says else b"")
        writer.close()

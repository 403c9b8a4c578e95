"""The health check that an image carries with it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace

from exporter.health import health
from exporter.web.addresses import Address, parse
from exporter.web.listener import Front, start
from exporter.web.protection import Protection
from tests.certificates import CLIENTS, TLS, USERS, established, written
from tests.test_web_listener import LOOPBACK, WELL
from tests.virtual_time import HandClock


async def asked(front: Front, protection: Protection | None = None, address: Address = LOOPBACK) -> tuple[int, str]:
    server = await start(front, address, protection)
    said: list[str] = []
    try:
        assert isinstance(server.address, Address)
        code = await asyncio.to_thread(health, server.address, said.append)
    finally:
        await server.close()
    return code, "\n".join(said)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", ":0"])
async def test_a_healthy_exporter_is_0(address: str) -> None:
    assert await asked(WELL, address=parse(address)) == (0, "smsbat-exporter is healthy")


async def test_what_is_wrong_is_printed_and_is_no_reason_to_be_restarted() -> None:
    unwell = replace(WELL, problems=lambda: ("account main: unauthorized",))
    assert await asked(unwell) == (0, "account main: unauthorized")


async def test_behind_tls_clients_and_users_it_is_healthy_too(tmp_path: Path) -> None:
    established(tmp_path)
    protection = Protection(written(tmp_path, TLS + CLIENTS + USERS), HandClock())
    code, _ = await asked(WELL, protection)
    assert code == 0


async def test_somebody_else_who_speaks_http_is_1() -> None:
    async with TestServer(web.Application()) as server:
        said: list[str] = []
        assert await asyncio.to_thread(health, Address("127.0.0.1", server.port or 0), said.append) == 1
    assert said == ["404: Not Found"]


def test_nobody_there_is_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    said: list[str] = []
    assert health(Address("127.0.0.1", port), said.append) == 1
    assert said == [f"nobody answers on 127.0.0.1:{port}: Connection refused"]


async def test_somebody_who_speaks_no_http_is_1() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    said: list[str] = []
    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(health, Address("127.0.0.1", port), said.append) == 1
    assert said[0].startswith(f"nobody answers on 127.0.0.1:{port}: ")

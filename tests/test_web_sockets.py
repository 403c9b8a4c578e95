"""Listening at a path of this machine."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from exporter.web.addresses import UnixAddress
from exporter.web.server import ListenError, serve
from exporter.web.sockets import bound_socket

FLAG = "--api.listen-address"


async def here(_: web.Request) -> web.Response:
    return web.Response(text="here")


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/", here)
    return app


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a path of the tests' own may be longer than a socket's may be
    return Path("api.sock")


def bound(path: Path) -> socket.socket:
    return bound_socket(UnixAddress(path))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_it_is_served_at_its_path_until_it_is_closed(path: Path) -> None:
    server = await serve(application(), UnixAddress(path), FLAG)
    try:
        assert server.url == "unix:api.sock"
        connector = aiohttp.UnixConnector("api.sock")
        async with aiohttp.ClientSession(connector=connector) as session, session.get("http://localhost/") as answer:
            assert await answer.text() == "here"
    finally:
        await server.close()
    assert list(Path.cwd().iterdir()) == [], "the socket goes with its listener"


async def test_a_socket_that_somebody_listens_at_is_refused_and_stays(path: Path) -> None:
    with bound(path):
        with pytest.raises(ListenError) as refused:
            await serve(application(), UnixAddress(path), FLAG)
        assert str(refused.value) == f"cannot listen on unix:api.sock ({FLAG}): Address already in use"
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect("api.sock")


def test_user_and_group_can_connect_and_nobody_else(path: Path) -> None:
    with bound(path):
        assert mode_of(path) == 0o660


def test_what_a_killed_process_left_behind_is_replaced(path: Path) -> None:
    bound(path).close()
    with bound(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect("api.sock")


def test_a_file_in_its_place_is_refused_and_stays(path: Path) -> None:
    path.write_text("somebody's")
    with pytest.raises(OSError, match="Address already in use"):
        bound(path)
    assert path.read_text() == "somebody's"


def test_a_folder_that_is_not_there_is_refused(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bound(Path("none") / path)


def test_nothing_stays_open_when_it_cannot_listen(path: Path) -> None:
    path.write_text("somebody's")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OSError, match="in use"):
            bound(path)
    assert len(list(Path("/dev/fd").iterdir())) == before

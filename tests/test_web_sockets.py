"""Listening at a path of this machine."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
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


async def test_a_socket_that_another_process_has_put_there_since_stays(path: Path) -> None:
    server = await serve(application(), UnixAddress(path), FLAG)
    os.unlink("api.sock")  # noqa: PTH108 (pathlib's own would block just as long)
    with bound(path):
        await server.close()
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect("api.sock")


def test_somebody_who_is_too_busy_to_answer_is_somebody(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as waiting:
        busy.bind(str(path))
        busy.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                caller = waiting.enter_context(socket.socket(socket.AF_UNIX))
                caller.setblocking(False)  # noqa: FBT003 (the socket's own call)
                caller.connect("api.sock")
        with pytest.raises(OSError, match="Address already in use"):
            bound(path)


def test_of_many_who_find_the_same_socket_left_over_one_listens(path: Path) -> None:
    bound(path).close()

    refused = set[int | None]()

    def start(_: int) -> socket.socket | None:
        try:
            return bound(path)
        except OSError as error:
            refused.add(error.errno)
            return None

    with ThreadPoolExecutor(8) as threads:
        listening = [sock for sock in threads.map(start, range(40)) if sock is not None]
    assert (len(listening), refused) == (1, {errno.EADDRINUSE})
    listening[0].close()


def test_a_folder_that_somebody_keeps_locked_holds_up_nobody_for_good(path: Path) -> None:
    folder = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_SH)
        bound(path).close()
    finally:
        os.close(folder)


def test_a_folder_that_may_be_written_and_not_read_will_do() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o333)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may read anything
        try:
            bound(Path(folder, "api.sock")).close()
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o700)


async def test_a_socket_that_may_not_be_removed_is_closed_all_the_same() -> None:
    with tempfile.TemporaryDirectory() as folder:
        set_mode(folder, 0o777)
        user, place = os.geteuid(), Path(folder, "api.sock")
        if user == 0:
            os.seteuid(65534)  # root may remove anything
        try:
            server = await serve(application(), UnixAddress(place), FLAG)
            os.seteuid(user)
            set_mode(folder, 0o555)
            if user == 0:
                os.seteuid(65534)
            await server.close()
        finally:
            os.seteuid(user)
            set_mode(folder, 0o700)
        with socket.socket(socket.AF_UNIX) as caller, pytest.raises(ConnectionRefusedError):
            caller.connect(str(place))


def set_mode(folder: str, mode: int) -> None:
    Path(folder).chmod(mode)


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

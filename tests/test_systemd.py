"""What systemd hears, at a socket that takes its place."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.systemd import Systemd
from tests.virtual_time import in_virtual_time


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)  # noqa: FBT003 (the socket's own call)

    def heard(self) -> dict[str, str]:
        """Return the next message's lines."""
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())

    def is_told_nothing(self) -> bool:
        """Whether no message waits."""
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    monkeypatch.chdir(tmp_path)
    made = Manager("notify")
    yield made
    made.close()


def test_it_hears_how_the_process_stands(manager: Manager) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": "notify"})
    systemd.ready()
    assert manager.heard() == {"READY": "1", "STATUS": "following messages"}
    before = time.monotonic_ns() // 1000
    systemd.reloading()
    heard = manager.heard()
    assert heard["RELOADING"] == "1"
    assert before <= int(heard["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    systemd.stopping()
    assert manager.heard()["STOPPING"] == "1"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="abstract sockets are Linux's")
def test_an_address_that_begins_with_an_at_sign_is_abstract() -> None:
    manager = Manager(f"\0smsbat-exporter-test-{os.getpid()}")
    try:
        Systemd({"NOTIFY_SOCKET": f"@smsbat-exporter-test-{os.getpid()}"}).ready()
        assert manager.heard()["READY"] == "1"
    finally:
        manager.close()


def test_without_systemd_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Systemd({}).ready()
    assert not caplog.records


def test_a_socket_that_is_gone_is_logged_and_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    systemd = Systemd({"NOTIFY_SOCKET": "gone"})
    systemd.ready()
    systemd.stopping()
    (record,) = caplog.records
    assert record.message == "systemd cannot be told"
    manager = Manager("gone")
    systemd.ready()
    manager.close()
    Path("gone").unlink()
    systemd.ready()
    assert len(caplog.records) == 2, "and again when it is gone again"


@in_virtual_time
async def test_the_watchdog_hears_that_the_loop_turns_twice_in_its_time_and_nothing_after(manager: Manager) -> None:
    async with Systemd({"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "30000000"}).watched():
        await asyncio.sleep(59)
    beats = [manager.heard() for _ in range(4)]
    assert beats == [{"WATCHDOG": "1"}] * 4, "at 0, 15, 30 and 45 s"
    await asyncio.sleep(60)
    assert manager.is_told_nothing()


@pytest.mark.parametrize(
    "env", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "often"}, {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}]
)
async def test_a_watchdog_that_does_not_watch_this_process_hears_nothing(manager: Manager, env: dict[str, str]) -> None:
    async with Systemd({"NOTIFY_SOCKET": "notify", **env}).watched():
        for _ in range(10):
            await asyncio.sleep(0)
    assert manager.is_told_nothing()

"""Where it runs: at a Unix socket, under systemd, with files that change as a kubelet changes them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.integration.configs import account, config, message
from tests.integration.process import PATIENCE_SECONDS, run, serving, write_config
from tests.integration.simulated import ENDLESS, delivered_after, simulated

NOWHERE = "http://127.0.0.1:1"
TOKEN = "token-7d1e"
AT_PATH = "--api.listen-address=unix:api.sock"


async def notified(manager: socket.socket) -> dict[str, str]:
    """Return what systemd hears next, besides the watchdog's."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            said = (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode()
            if said != "WATCHDOG=1":
                return dict(line.split("=", 1) for line in said.splitlines())


async def test_systemd_hears_of_start_reload_and_stop(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        name = f"smsbat-exporter-{os.getpid()}"
        manager.bind("\0" + name)
        env = {"NOTIFY_SOCKET": "@" + name, "WATCHDOG_USEC": "100000"}
        async with serving(tmp_path, env=env) as exporter:
            assert (await notified(manager))["READY"] == "1"
            assert (await exporter.get("/-/ready"))[0] == 200
            exporter.send(signal.SIGHUP)
            assert "MONOTONIC_USEC" in await notified(manager)
            assert (await notified(manager))["READY"] == "1"
            write_config(tmp_path, "accounts: []\n")
            exporter.send(signal.SIGHUP)
            assert (await notified(manager))["RELOADING"] == "1"
            assert (await notified(manager))["READY"] == "1", "a bad configuration changes nothing"
            exporter.send(signal.SIGTERM)
            assert (await notified(manager))["STOPPING"] == "1"
            assert await exporter.ended() == 0


async def test_systemd_hears_nothing_of_ready_once_it_stops(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
        name = f"smsbat-exporter-{os.getpid()}-stop"
        manager.bind("\0" + name)
        async with serving(tmp_path, env={"NOTIFY_SOCKET": "@" + name}) as exporter:
            await exporter.ready()
            for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
                exporter.send(number)
            assert await exporter.ended() == 0
        heard = []
        while "STOPPING" not in (said := await notified(manager)):
            heard.append(said)
        assert heard[0]["READY"] == "1"
        with pytest.raises(BlockingIOError):
            manager.recv(4096)


async def test_an_application_hands_in_and_waits_at_a_unix_socket(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=delivered_after(0.5))
        write_config(tmp_path, config([account(simulator.url)]))
        async with serving(tmp_path, AT_PATH) as exporter:
            await exporter.ready()
            assert await exporter.api_url() == "unix:api.sock"
            code, output, _ = await run(tmp_path, "track", "msg-1", "--via=unix:api.sock", "--timeout=20s")
            assert code == 0
            assert "delivered" in output
            assert await exporter.stop() == 0
        assert not (tmp_path / "api.sock").exists()


async def test_after_kill_9_the_socket_is_taken_over_and_while_it_listens_it_is_not(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)], store={"type": "memory"}))
    async with serving(tmp_path, AT_PATH) as exporter:
        await exporter.ready()
        await exporter.kill()
    assert (tmp_path / "api.sock").is_socket()
    async with serving(tmp_path, AT_PATH) as exporter:
        await exporter.ready()
        flags = ("--config.file=config.yaml", "--web.listen-address=127.0.0.1:0", AT_PATH)
        code, _, errors = await run(tmp_path, *flags)
        assert code == 1
        why = "cannot listen on unix:api.sock (--api.listen-address): Address already in use"
        assert errors.splitlines()[-1] == f"smsbat-exporter: {why}"


async def test_a_reload_cannot_take_the_token_from_a_listener_that_others_reach(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    guarded = config([account(NOWHERE)], api={"token_file": "token"})
    write_config(tmp_path, guarded)
    public = "--api.listen-address=0.0.0.0:0"
    async with serving(tmp_path, public, "--web.enable-lifecycle") as exporter, aiohttp.ClientSession() as session:
        await exporter.ready()
        write_config(tmp_path, config([account(NOWHERE)]))
        status, said = await exporter.get("/-/reload", method="POST")
        assert status == 500
        assert "anything but loopback and unix:/path/of/a.sock needs api.token_file" in said
        port = (await exporter.api_url()).rpartition(":")[2]
        async with session.get(f"http://127.0.0.1:{port}/api/v1/messages") as answer:
            assert answer.status == 401
        write_config(tmp_path, guarded)
        assert (await exporter.get("/-/reload", method="POST"))[0] == 200


async def test_a_config_map_that_changes_under_it_counts_from_the_next_reload_on(tmp_path: Path) -> None:
    async with simulated() as simulator:
        for name in ("msg-1", "msg-2"):
            simulator.add(name, life=ENDLESS)
        for version, names in (("..1", ["msg-1"]), ("..2", ["msg-1", "msg-2"])):
            (tmp_path / version).mkdir()
            text = config([account(simulator.url)], [message(name) for name in names], store={"type": "memory"})
            (tmp_path / version / "config.yaml").write_text(text)
        (tmp_path / "..data").symlink_to("..1")
        (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight", status="processing") == 1)
            (tmp_path / "..new").symlink_to("..2")
            (tmp_path / "..new").rename(tmp_path / "..data")
            exporter.send(signal.SIGHUP)
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight", status="processing") == 2)
            assert await exporter.stop() == 0


async def test_a_store_that_cannot_be_written_says_what_to_mount(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)], store={"path": "/proc/smsbat/state.db"}))
    code, _, errors = await run(
        tmp_path, "--config.file=config.yaml", "--web.listen-address=127.0.0.1:0", "--api.listen-address=127.0.0.1:0"
    )
    assert code == 1
    assert errors.splitlines()[-1] == (
        "smsbat-exporter: the store /proc/smsbat/state.db cannot be used: "
        "there is no directory /proc/smsbat; create it, or mount a volume there"
    )

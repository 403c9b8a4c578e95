"""What the exporter does not start with, each said in one line that helps, and nothing touched."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from pathlib import Path
from typing import Final

from tests.integration.configs import account, config, message
from tests.integration.process import run, serving, write_config
from tests.integration.simulated import ENDLESS, simulated

FLAGS: Final = (
    "--config.file=config.yaml",
    "--web.listen-address=127.0.0.1:0",
    "--api.listen-address=127.0.0.1:0",
    "--webhook.listen-address=127.0.0.1:0",
)
NOWHERE: Final = "http://127.0.0.1:1"


async def refusal(folder: Path, *flags: str) -> str:
    """Start the exporter; return the last line of what it says when it exits with 1."""
    code, output, errors = await run(folder, *(flags or FLAGS))
    assert (code, output) == (1, "")
    assert "Traceback" not in errors
    return errors.splitlines()[-1]


async def test_a_store_that_another_process_uses_is_refused_and_stays_with_it(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=ENDLESS)
        write_config(tmp_path, config([account(simulator.url)], [message("msg-1")]))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight", status="processing") == 1)
            said = await refusal(tmp_path)
            assert (await exporter.scrape()).sum("smsbat_exporter_store_up") == 1
            assert await exporter.stop() == 0
    assert said.startswith("smsbat-exporter: the store ")
    assert "state.db is in use by another process" in said


async def test_a_store_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    content = b"not a database, but somebody's file\n" * 100
    (tmp_path / "state.db").write_bytes(content)
    assert "state.db is damaged, or no SQLite database at all" in await refusal(tmp_path)
    assert (tmp_path / "state.db").read_bytes() == content


async def test_a_store_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    async with serving(tmp_path) as exporter:
        await exporter.ready()
        assert await exporter.stop() == 0
    content = (tmp_path / "state.db").read_bytes()
    (tmp_path / "state.db").write_bytes(content[: len(content) - 6000])
    assert "state.db is damaged" in await refusal(tmp_path)


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    async with serving(tmp_path) as exporter:
        await exporter.ready()
        assert await exporter.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "state.db was written by a newer version (schema 99" in await refusal(tmp_path)


async def test_a_port_in_use_is_refused_and_named_with_its_flag(tmp_path: Path) -> None:
    write_config(tmp_path, config([account(NOWHERE)]))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        listening = (
            f"--web.listen-address={address}",
            "--api.listen-address=127.0.0.1:0",
            "--webhook.listen-address=127.0.0.1:0",
        )
        said = await refusal(tmp_path, "--config.file=config.yaml", *listening)
    assert said == (f"smsbat-exporter: cannot listen on {address} (--web.listen-address): Address already in use")


async def test_a_secret_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    auth = {"method": "header", "api_key_file": "missing"}
    write_config(tmp_path, config([account(NOWHERE, auth=auth)]))
    assert "api_key_file: cannot be read: No such file or directory" in await refusal(tmp_path)

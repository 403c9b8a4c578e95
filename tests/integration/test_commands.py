"""The commands as their users run them: what they print, and how they exit."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Final

import jsonschema
import pytest

from exporter import __version__
from exporter.simulator import Fault, FaultKind
from tests.integration.configs import KEY, account, config
from tests.integration.process import environment, run, serving, serving_without_config, write_config
from tests.integration.simulated import caller, calls, simulated

BROKEN: Final = """accounts:
  - name: main
    base_url: http://restapi.smsbat.com
    auth: {method: header, api_key: key-5f3c9a}
polling:
  - {first: 2.5, interval: 5s}
retention: soon
retries: 3
"""


async def test_version_names_the_program_and_its_version(tmp_path: Path) -> None:
    assert await run(tmp_path, "--version") == (0, f"smsbat-exporter {__version__}\n", "")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs a system that tells what a process has loaded")
async def test_serve_leaves_out_the_extension_that_needs_a_megabyte(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    async with serving(tmp_path) as exporter:
        await exporter.ready()
        loaded = await asyncio.to_thread(Path(f"/proc/{exporter.process.pid}/maps").read_text)
    assert "_http_parser" in loaded, "other extensions stay"
    assert "_frozenlist" not in loaded


async def test_the_config_schema_is_a_json_schema_that_accepts_a_configuration(tmp_path: Path) -> None:
    code, output, errors = await run(tmp_path, "config-schema")
    assert (code, errors) == (0, "")
    schema = json.loads(output)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(config([account("http://127.0.0.1:1")])), schema)


@pytest.mark.parametrize("command", [["config-schema"], ["check", "--config.file=none.yaml"]])
async def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *command),
        cwd=tmp_path,
        env=environment({}),
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (128 + signal.SIGPIPE, b"")


async def test_a_closed_standard_output_is_no_error(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    command = f"{sys.executable} -m exporter check --config.file=config.yaml >&-"
    process = await asyncio.create_subprocess_shell(
        command, cwd=tmp_path, env=environment({}), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_check_accepts_a_good_configuration(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    assert await run(tmp_path, "check", "--config.file=config.yaml") == (
        0,
        "config.yaml: the configuration is valid\n",
        "",
    )


async def test_check_prints_every_error_with_its_line_and_column(tmp_path: Path) -> None:
    write_config(tmp_path, BROKEN)
    code, output, errors = await run(tmp_path, "check", "--config.file=config.yaml")
    found = [line.split(": ", 2)[:2] for line in output.splitlines()]
    assert found == [
        ["config.yaml:3:15", "accounts[0].base_url"],
        ["config.yaml:6:13", "polling[0].first"],
        ["config.yaml:7:12", "retention"],
        ["config.yaml:8:1", "retries"],
    ]
    assert (code, errors) == (1, "")
    assert KEY not in output


async def test_serve_prints_the_same_errors_and_does_not_start(tmp_path: Path) -> None:
    write_config(tmp_path, BROKEN)
    _, checked, _ = await run(tmp_path, "check", "--config.file=config.yaml")
    assert await run(tmp_path, "serve", "--config.file=config.yaml") == (1, "", checked)
    assert not (tmp_path / "smsbat-exporter.db").exists()


async def test_probe_tells_accepted_from_refused_and_undetermined(tmp_path: Path) -> None:
    async with simulated(caller("good"), caller("broken", "key-of-broken")) as simulator:
        simulator.faults.set(Fault(kind=FaultKind.STATUS, status=503, account="broken"))
        refused = {"method": "header", "api_key": "key-that-is-wrong"}
        broken = {"method": "header", "api_key": "key-of-broken"}
        accounts = [
            account(simulator.url, "good"),
            account(simulator.url, "bad", auth=refused),
            account(simulator.url, "broken", auth=broken),
            account("http://127.0.0.1:1", "gone"),
        ]
        write_config(tmp_path, config(accounts))
        code, output, errors = await run(tmp_path, "check", "--config.file=config.yaml", "--probe")
        assert calls(simulator, "good") == 1
    assert output.splitlines()[1:] == [
        "account good: accepted (HTTP 404)",
        "account bad: refused (HTTP 401)",
        "account broken: undetermined (HTTP 503)",
        "account gone: undetermined (connection_error)",
    ]
    assert (code, errors) == (1, "")


async def test_probe_exits_with_0_when_every_account_is_accepted(tmp_path: Path) -> None:
    async with simulated() as simulator:
        write_config(tmp_path, config([account(simulator.url)]))
        code, output, _ = await run(tmp_path, "check", "--config.file=config.yaml", "--probe")
    assert (code, output.splitlines()[1:]) == (0, ["account main: accepted (HTTP 404)"])


async def test_the_environment_alone_is_enough_to_start(tmp_path: Path) -> None:
    async with simulated() as simulator:
        env = {"SMSBAT_API_KEY": KEY, "SMSBAT_BASE_URL": simulator.url}
        async with serving_without_config(tmp_path, env=env) as exporter:
            await exporter.ready()
            _, body = await exporter.get("/metrics")
            assert re.search(r'^smsbat_exporter_api_up\{account="default"\} 1\.0$', body, re.MULTILINE)
            assert await exporter.stop() == 0
    assert KEY not in exporter.log + body


async def test_without_a_config_or_a_key_serve_says_what_is_missing(tmp_path: Path) -> None:
    assert await run(tmp_path) == (
        1,
        "",
        "environment: set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD\n",
    )

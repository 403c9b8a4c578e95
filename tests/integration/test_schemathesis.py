"""schemathesis against the served document of a real process, SMSBat simulated behind it: it finds nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.configs import KEY, account, config
from tests.integration.process import Exporter, environment, serving, write_config
from tests.integration.simulated import caller, simulated

TOKEN: Final = "token-8d21"
LONGEST_SECONDS: Final = 100.0
"""It takes some 20 s; this is for machines that are busy."""
EXAMPLES: Final = 12
"""Cases of an operation that are drawn at random, with a seed that is always the same."""
OPTIONS: Final = (
    "--checks=all",
    # What stands in for these two, and why, is in schemathesis_hooks.
    "--exclude-checks=negative_data_rejection,use_after_free",
    "--generation-deterministic",
    f"--max-examples={EXAMPLES}",
    "--continue-on-failure",
    "--no-shrink",
    "--request-timeout=15",
    # These are about how hard it is to draw what a schema describes, not about what answers.
    "--suppress-health-check=all",
    "--warnings=off",
    "--no-color",
)


@contextlib.asynccontextmanager
async def listening(folder: Path, **settings: Any) -> AsyncIterator[Exporter]:  # noqa: ANN401
    """Run an exporter with two accounts at a simulated SMSBat."""
    async with simulated(caller(), caller("other", "key-of-the-other")) as simulator:
        auth = {"method": "header", "api_key": "key-of-the-other"}
        accounts = [account(simulator.url), account(simulator.url, "other", auth=auth)]
        write_config(folder, config(accounts, **settings))
        async with serving(folder) as exporter:
            await exporter.ready()
            yield exporter


async def tried(exporter: Exporter, folder: Path, *headers: str) -> str:
    """Run schemathesis to its end; return what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{await exporter.api_url()}/api/v1/openapi.json"),
        *OPTIONS,
        *(f"--header={header}" for header in headers),
        cwd=folder,
        env=environment({"SCHEMATHESIS_HOOKS": "tests.integration.schemathesis_hooks", "COLUMNS": "120"}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    said = output.decode()
    assert process.returncode == 0, said
    return said


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"relay": {"use_account_credentials": True}}, []),
        ({"relay": {}, "api": {"token": TOKEN}}, [f"X-Authorization-Key: {KEY}", f"X-Exporter-Token: {TOKEN}"]),
    ],
    ids=["open", "guarded"],
)
async def test_schemathesis_finds_nothing(tmp_path: Path, settings: dict[str, object], headers: list[str]) -> None:
    async with listening(tmp_path, **settings) as exporter:
        said = await tried(exporter, tmp_path, *headers)
        assert "Tested: 8" in said
        assert re.search(r"(\d+) generated, \1 passed", said), said
        for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
            assert f"✅ {phase}" in said
        assert await exporter.stop() == 0
    assert "exporter.serving msg=stopped" in exporter.log
    assert not [word for word in (KEY, TOKEN, "key-of-the-other") if word in exporter.log]

"""systemd's own opinion of deploy/systemd, without a systemd that runs."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.integration.process import ROOT

FOLDER: Final = ROOT / "deploy" / "systemd"
UNIT: Final = FOLDER / "smsbat-exporter.service"
README: Final = (FOLDER / "README.md").read_text("utf-8")
EXPOSURE: Final = 15
"""Tenths. Below 2.0 systemd calls a service OK; it is 1.2 by the weights of systemd 252."""


async def analyze(*arguments: str) -> tuple[int, str]:
    """Run systemd-analyze; return its exit code and what it said."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def with_a_program_that_is_there(folder: Path, text: str) -> Path:
    """Write the unit with another program in place of the exporter's, which is not installed where tests run."""
    text, count = re.subn(r"/opt/smsbat-exporter/bin/smsbat-exporter", shutil.which("true") or "", text)
    assert count
    unit = folder / UNIT.name
    unit.write_text(text, "utf-8")
    return unit


async def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = with_a_program_that_is_there(tmp_path, UNIT.read_text("utf-8"))
    assert await analyze("verify", str(unit)) == (0, "")


async def test_systemd_would_say_so_if_there_were_something_wrong_with_it(tmp_path: Path) -> None:
    broken = UNIT.read_text("utf-8").replace("PrivateTmp=yes", "PrivateTemp=yes")
    _, said = await analyze("verify", str(with_a_program_that_is_there(tmp_path, broken)))
    assert "'PrivateTemp'" in said


async def test_the_drop_in_of_the_readme_goes_with_the_unit(tmp_path: Path) -> None:
    unit = with_a_program_that_is_there(tmp_path, UNIT.read_text("utf-8"))
    (tmp_path / f"{UNIT.name}.d").mkdir()
    (drop_in,) = re.findall(r"```ini\n(.*?)```", README, re.DOTALL)
    text = drop_in.replace("/opt/smsbat-exporter/bin/smsbat-exporter", shutil.which("true") or "")
    (tmp_path / f"{UNIT.name}.d" / "socket.conf").write_text(text, "utf-8")
    assert await analyze("verify", str(unit)) == (0, "")


async def test_systemd_calls_the_unit_ok() -> None:
    code, said = await analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT))
    assert code == 0, said
    assert re.search(r"Overall exposure level for smsbat-exporter\.service: 1\.\d OK", said)

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from exporter.config import load

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "examples.md").read_text("utf-8")
PROGRAMS = sorted(file for file in (DOCS / "examples").iterdir() if file.suffix != ".yaml")
INTERPRETERS = {".sh": "bash", ".py": "python3", ".mjs": "node", ".php": "php"}


def test_each_use_is_there_in_each_language() -> None:
    uses = ("campaign", "one_time_password", "order_confirmation")
    assert [file.name for file in PROGRAMS] == sorted(f"{use}{suffix}" for use in uses for suffix in INTERPRETERS)


def test_every_file_is_mentioned_and_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert sorted({DOCS / link for link in links}) == sorted((DOCS / "examples").iterdir())


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.name)
def test_every_program_can_be_run_as_it_is_and_says_how(file: Path) -> None:
    first, *lines = file.read_text("utf-8").splitlines()
    assert first == f"#!/usr/bin/env {INTERPRETERS[file.suffix]}"
    assert file.stat().st_mode & 0o111 == 0o111
    assert any(f"{file.name} " in line for line in lines[:3])


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: file.name)
def test_every_variable_that_a_program_reads_is_described_with_its_default(file: Path) -> None:
    text = file.read_text("utf-8")
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", TEXT, re.MULTILINE))
    names = set(re.findall(r"\b(?:SMSBAT|WAIT)_[A-Z_]+", text)) - {"WAIT_SECONDS"}
    assert names <= table.keys()
    for name in names - {"SMSBAT_API_KEY"}:
        assert table[name].strip("`") in text
    waits = dict(
        zip(
            ("order_confirmation", "one_time_password", "campaign"),
            re.findall(r"\d+", table["WAIT_SECONDS"]),
            strict=True,
        )
    )
    assert re.search(rf"WAIT_SECONDS\W.*\b{waits[file.stem]}\b", text)


@pytest.mark.parametrize("block", re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
def test_every_shell_snippet_is_bash_and_names_files_that_are_there(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block.encode(), check=True)  # noqa: S607 - the bash that there is
    for name in re.findall(r"docs/\S+?\.(?:sh|py|mjs|php|yaml)", block):
        assert (DOCS.parent / name).is_file()


def test_the_configuration_is_valid_and_for_the_simulated_api() -> None:
    config = load(DOCS / "examples" / "exporter.yaml", {"SMSBAT_API_KEY": "made-up"})
    assert config.relay is not None
    assert [account.base_url for account in config.accounts] == ["http://127.0.0.1:10780"]
    assert set(config.labels) == {"campaign"}

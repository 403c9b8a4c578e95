"""deploy/systemd: the unit, its configuration and its README fit each other and the exporter."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from exporter import cli
from exporter.config import ConfigError, load
from exporter.config.secrets import Secret
from exporter.serving import _OPEN_FILES as OPEN_FILES

FOLDER: Final = Path(__file__).parents[1] / "deploy" / "systemd"
UNIT: Final = (FOLDER / "smsbat-exporter.service").read_text("utf-8")
README: Final = (FOLDER / "README.md").read_text("utf-8")
CONFIG: Final = FOLDER / "config.yaml"
CONFIG_PLACE: Final = Path("/etc/smsbat-exporter/config.yaml")


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def only(name: str) -> str:
    (value,) = settings(name)
    return value


def test_the_configuration_is_valid_with_the_units_credential(tmp_path: Path) -> None:
    name, _, source = only("LoadCredential").partition(":")
    (tmp_path / name).write_text("made-up\n", "utf-8")
    config = load(CONFIG, {"CREDENTIALS_DIRECTORY": str(tmp_path), "SMSBAT_STORE_PATH": "/var/lib/x/state.db"})
    assert config.accounts[0].auth.api_key == Secret(path=tmp_path / name)
    assert config.store.path == Path("/var/lib/x/state.db")
    assert source in README


def test_the_configuration_says_what_is_missing_without_the_unit() -> None:
    with pytest.raises(ConfigError, match="CREDENTIALS_DIRECTORY"):
        load(CONFIG, {})


def test_the_command_takes_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = shlex.split(only("ExecStart"))
    assert program == "/opt/smsbat-exporter/bin/smsbat-exporter"
    monkeypatch.setattr(cli, "_serve", lambda options: 40 if options.config_file == CONFIG_PLACE else 1)
    assert cli.main(arguments) == 40


def test_the_store_is_in_the_state_directory() -> None:
    assert only("Environment") == f"SMSBAT_STORE_PATH=%S/{only('StateDirectory')}/state.db"


def test_the_limit_of_open_files_is_the_one_that_the_exporter_asks_for() -> None:
    assert int(only("LimitNOFILE")) == OPEN_FILES


def test_it_is_started_watched_and_reloaded_as_the_exporter_tells() -> None:
    assert only("Type") == "notify"
    assert re.fullmatch(r"\d+s", only("WatchdogSec"))
    assert settings("ExecReload")[-1] == "/bin/kill -HUP $MAINPID"


def test_the_readme_names_the_files_that_the_unit_uses() -> None:
    for path in (str(CONFIG_PLACE), "/opt/smsbat-exporter", "/etc/systemd/system"):
        assert path in README
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (FOLDER / link).exists(), link
    assert "${CREDENTIALS_DIRECTORY}" in CONFIG.read_text("utf-8")

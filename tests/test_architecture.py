from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text()


def test_every_module_has_its_place_in_the_rooms() -> None:
    rooms = TEXT.split("\n## Rooms\n")[1].split("\n## ")[0]
    modules = [str(path.relative_to(ROOT / "exporter")) for path in (ROOT / "exporter").rglob("*.py")]
    assert sorted(re.findall(r"`([\w/]+\.py)`", rooms)) == sorted(modules)


def test_the_layers_are_those_that_are_checked() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert "```\n" + "\n".join(layers) + "\n```" in TEXT

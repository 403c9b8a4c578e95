"""Writes the made part of docs/configuration.md; with `--check`, says whether it differs and exits 1."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from docs.source.page import PageError, page
from exporter.config import json_schema

_ROOT: Final = Path(__file__).parents[2]
_PAGE: Final = "docs/configuration.md"


def main(arguments: list[str]) -> int:
    """Run with the command line's arguments; return the exit code."""
    file = _ROOT / _PAGE
    old = file.read_text("utf-8")
    try:
        new = page(old, json_schema(), (_ROOT / "config.example.yaml").read_text("utf-8"))
    except PageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if arguments == ["--check"]:
        sys.stdout.write(f"{_PAGE}\n" * (new != old))
        return int(new != old)
    file.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

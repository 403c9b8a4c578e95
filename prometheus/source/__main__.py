"""Writes every file that is made from the catalogue; with `--check`, says which ones differ and exits 1."""

from __future__ import annotations

import sys
from pathlib import Path

from prometheus.source.files import files

_ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Run with the command line's arguments; return the exit code."""
    stale = [path for path, text in files() if not _same(_ROOT / path, text)]
    for path in stale:
        sys.stdout.write(f"{path}\n")
    return int(bool(stale)) if arguments == ["--check"] else _write()


def _same(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text("utf-8") == text


def _write() -> int:
    for path, text in files():
        file = _ROOT / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

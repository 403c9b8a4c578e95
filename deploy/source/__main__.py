"""Writes the chart's copies and the plain manifests; with `--check`, says which ones differ and exits 1."""

from __future__ import annotations

import sys

from deploy.source.files import ROOT, files


def main(arguments: list[str]) -> int:
    """Run with the command line's arguments; return the exit code."""
    checking = arguments == ["--check"]
    stale = 0
    for path, content in files():
        file = ROOT / path
        if file.is_file() and file.read_bytes() == content:
            continue
        stale += 1
        sys.stdout.write(f"{path}\n")
        if not checking:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return int(checking and stale > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

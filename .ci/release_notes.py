"""Prints a release's section of CHANGELOG.md: release_notes.py TAG, or says why TAG cannot be released.

The tag must be `v` and the version of exporter/__init__.py, and the changelog must have that version with its date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class NoReleaseError(ValueError):
    """Why a tag cannot be released."""


def notes_of(tag: str, version: str, changelog: str) -> str:
    """Return what the changelog says about the version; raise NoReleaseError."""
    if tag != f"v{version}":
        raise NoReleaseError(f"the tag is {tag}, but exporter/__init__.py says {version}")
    for section in re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]:
        title, _, notes = section.partition("\n")
        name, _, date = title.partition(" - ")
        if name != f"[{version}]":
            continue
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date.strip()):
            raise NoReleaseError(f"CHANGELOG.md has {date.strip()!r} in place of the date of {version}")
        if not notes.strip():
            raise NoReleaseError(f"CHANGELOG.md says nothing about {version}")
        return notes.strip()
    raise NoReleaseError(f"CHANGELOG.md has no section [{version}]")


def main() -> None:
    """Print the notes, or exit with the reason."""
    (tag,) = sys.argv[1:]
    source = (ROOT / "exporter" / "__init__.py").read_text("utf-8")
    (version,) = re.findall(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    try:
        print(notes_of(tag, version, (ROOT / "CHANGELOG.md").read_text("utf-8")))
    except NoReleaseError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

"""What is wrong with a configuration, and where, without quoting its values."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

_LONGEST_NAME: Final = 40
_SHOWN_OF_LONGER: Final = 8

KeyPath = tuple[str | int, ...]
"""The way to a value: keys and list positions."""


class Fault(NamedTuple):
    """A rule that the value at a path breaks."""

    path: KeyPath
    message: str
    at_key: bool = False
    """It is the key that is wrong, not its value."""


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend; lines and columns count from 1, and 0 means there is none."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """Write it as `file:line:column: key.path: what is wrong`."""
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` holds all of what is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        """Take the problems in the order in which they are to be read."""
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def key_path(path: KeyPath) -> str:
    """Write a path the way people do: `accounts[0].auth.method`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{shown_key(step)}" for step in path)
    return "".join(steps).removeprefix(".")


def shown_key(key: str) -> str:
    """Cut a key where no name goes on: `{api_key:abc}`, a space forgotten, is all key and holds a secret.

    So may be what is longer than any name: a line of a private key, or a token.
    """
    name = re.match(r"[A-Za-z0-9_-]*", key)
    shown = name[0] if name else ""
    if len(shown) > _LONGEST_NAME:
        shown = shown[:_SHOWN_OF_LONGER]
    return shown if shown == key else f"{shown}…"

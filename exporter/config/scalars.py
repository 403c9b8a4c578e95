"""Scalars of the YAML document: their text as written, with environment variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\{))")


class Plain(str):
    """Text that was not quoted, so a number or a switch may be read from it."""

    __slots__ = ()


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `${NAME}` by the variable and `$$` by a dollar; raise ValueError when one is unset or malformed."""

    def replacement(match: re.Match[str]) -> str:
        dollar, name, _brace = match.groups()
        if dollar:
            return "$"
        if name is None:
            raise ValueError("`${` must begin ${NAME}; write $$ for a dollar")
        if name not in env:
            raise ValueError(f"environment variable {name} is not set")
        return env[name]

    expanded = _REFERENCE.sub(replacement, text)
    return Plain(expanded) if isinstance(text, Plain) else expanded

"""The explanation of each setting: the comments of config.example.yaml, the one place where settings are explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

_EMPTY_BEFORE_EXAMPLE: Final = re.compile(r": (?:\[\]|\{\})( *#.*)?\n( *)#(?=[-a-z])")
_SWITCHED_OFF: Final = re.compile(r"(?m)^( *)#(?=[-a-z])")
_TEXT_ABOVE: Final = re.compile(r"^( *)# (.*)$")
_TEXT_BESIDE: Final = re.compile(r" # (.*)$")


def switched_on(example: str) -> str:
    """Return the example with every commented setting in use, the way its first lines say."""
    return _SWITCHED_OFF.sub(r"\1", _EMPTY_BEFORE_EXAMPLE.sub(r":\1\n\2", example))


def explanations(example: str) -> dict[str, str]:
    """Return what the example says of each setting, by its path; where it stands twice, the first that says something.

    An explanation stands beside its key and goes on below at the same column, or above the key at the key's own.
    """
    text = switched_on(example)
    lines = text.splitlines()
    found: dict[str, str] = {}
    for path, line, column in _keys(yaml.compose(text, yaml.SafeLoader), ""):
        said = " ".join((*_above(lines, line, column), *_beside(lines, line)))
        if said and path not in found:
            found[path] = said
    return found


def _keys(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int, int]]:
    """Yield the path of each key that is the first of its line, with its line and column."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _keys(item, f"{path}[]")
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else key.value
            mark = key.start_mark
            if not node.flow_style:
                yield inner, mark.line, mark.column
            yield from _keys(value, inner)


def _beside(lines: list[str], line: int) -> Iterator[str]:
    found = _TEXT_BESIDE.search(lines[line])
    if found is None:
        return
    yield found[1]
    for below in lines[line + 1 :]:
        more = _TEXT_ABOVE.match(below)
        if more is None or len(more[1]) <= _indentation(lines[line]):
            return
        yield more[2]


def _above(lines: list[str], line: int, column: int) -> Iterator[str]:
    first = line
    while first and (text := _TEXT_ABOVE.match(lines[first - 1])) and len(text[1]) == column:
        first -= 1
    yield from (lines[each].strip()[2:] for each in range(first, line))


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())

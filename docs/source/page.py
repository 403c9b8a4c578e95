"""The table of settings, section by section, and its place in docs/configuration.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final

from docs.source.explanations import explanations
from docs.source.settings import Schema, Setting, settings

_BEGIN: Final = "<!-- Made by `python -m docs.source` (make docs) from exporter/config/ and config.example.yaml. -->\n"
_END: Final = "<!-- End of what is made. -->\n"
_HEAD: Final = "| setting | type | default | what it is |\n|---|---|---|---|\n"
_SINGLE: Final = "Single settings"
_FILE: Final = "_file"


class PageError(Exception):
    """Why the page cannot be made; the text says what to mend."""


def page(old: str, schema: Schema, example: str) -> str:
    """Return the page with its made part made anew; raises PageError."""
    before, begin, rest = old.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise PageError(f"docs/configuration.md lacks the line {_END if begin else _BEGIN}")
    return f"{before}{_BEGIN}\n{tables(schema, example)}\n{_END}{after}"


def tables(schema: Schema, example: str) -> str:
    """Return the tables; raises PageError when a setting is not explained, or what is explained is none."""
    every = list(settings(schema))
    # A configured label has a name of its own in the example.
    known = {re.sub(r"^labels\.\w+", "labels.<name>", path): said for path, said in explanations(example).items()}
    paths = {each.path for each in every}
    _complain(every, known, paths)
    groups: dict[str, list[Setting]] = {}
    for top, group in groupby(every, lambda each: each.path.replace("[", ".").partition(".")[0]):
        members = list(group)
        groups.setdefault(f"`{top}`" if len(members) > 1 else _SINGLE, []).extend(members)
    groups[_SINGLE] = groups.pop(_SINGLE)  # last
    return "\n".join(f"### {title}\n\n{''.join(_table(group, known, paths))}" for title, group in groups.items())


def _complain(every: list[Setting], known: Mapping[str, str], paths: set[str]) -> None:
    silent = [each.path for each in every if not _said(each.path, known, paths)]
    strange = sorted(known.keys() - paths - {"labels.<name>"})
    if silent or strange:
        raise PageError(f"config.example.yaml does not explain {silent}, and explains what is no setting: {strange}")


def _said(path: str, known: Mapping[str, str], paths: set[str]) -> str:
    """Return the explanation; of a secret and its `_file` twin one will do."""
    twin = path.removesuffix(_FILE) if path.endswith(_FILE) else path + _FILE
    return known.get(path) or (known.get(twin, "") if twin in paths else "")


def _table(group: list[Setting], known: Mapping[str, str], paths: set[str]) -> Iterator[str]:
    yield _HEAD
    for each in group:
        if each.path.endswith(_FILE) and each.path.removesuffix(_FILE) in paths:
            continue
        name = f"`{each.path}`"
        if each.path + _FILE in paths:
            name += f" or `{each.path.rpartition('.')[2]}{_FILE}`"
        default = f"`{each.default}`" if each.default else "required" if each.required else "-"
        said = _said(each.path, known, paths).replace("|", "\\|")
        yield f"| {name} | {each.kind} | {default} | {said} |\n"

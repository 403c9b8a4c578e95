"""YAML as people read it: blocks for expressions, no quotes without need, a comment on top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import yaml

HEADER: Final = "# Made by `python -m prometheus.source` (make rules); change prometheus/source/ instead.\n"


class _Dumper(yaml.SafeDumper):
    """Writes long texts as blocks and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Indent lists below their key."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def explained(text: str, key: str, reasons: Iterable[str]) -> str:
    """Return a text with a reason behind each line that begins with the key, in their order."""
    waiting = iter(reasons)
    lines = (f"{line}  # {next(waiting)}" if line.strip().startswith(f"{key}:") else line for line in text.splitlines())
    return "\n".join(lines) + "\n"


def written(document: object, *comments: str) -> str:
    """Return a document as the text of a file."""
    said = "".join(f"# {comment}\n" if comment else "#\n" for comment in comments)
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return f"{HEADER}{said}\n{body}"

"""The settings as the JSON Schema of the configuration has them: path, type with its limits, default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from exporter.config.durations import DURATION_PATTERN

Schema = Mapping[str, Any]

_NAMES: Final = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}
_LIMITS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


class Setting(NamedTuple):
    """One key of the configuration."""

    path: str
    """Such as `accounts[].auth.method`; `[]` for any of a list, `<name>` for any key."""
    kind: str
    """Its type with its limits, as people write it; `section` when it holds other keys."""
    default: str
    """As it is written; empty when there is none."""
    required: bool


def settings(schema: Schema) -> Iterator[Setting]:
    """Yield every setting, in the order of the model."""
    yield from _keys(schema, schema["$defs"], "")


def _keys(section: Schema, known: Schema, path: str) -> Iterator[Setting]:
    for name, raw in section.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        part = _resolved(raw, known)
        yield Setting(inner, _kind(part, known), _default(part), name in section.get("required", ()))
        yield from _below(part, known, inner)


def _below(part: Schema, known: Schema, path: str) -> Iterator[Setting]:
    if part["type"] == "array":
        yield from _below(_resolved(part["items"], known), known, f"{path}[]")
    for value in part.get("patternProperties", {}).values():
        yield from _below(_resolved(value, known), known, f"{path}.<name>")
    if part["type"] == "object":
        yield from _keys(part, known, path)


def _resolved(part: Schema, known: Schema) -> Schema:
    """Return a part of the schema with what it refers to, its own words first."""
    reference = part.get("$ref")
    return part if reference is None else {**known[reference.rpartition("/")[2]], **part}


def _kind(part: Schema, known: Schema) -> str:
    if "enum" in part:
        return " \\| ".join(f"`{word}`" for word in part["enum"])
    if part["type"] == "array":
        return f"list of {_plural(_resolved(part['items'], known))}"
    return _mapping(part, known) if part["type"] == "object" else _scalar(part)


def _scalar(part: Schema) -> str:
    if part.get("pattern") == DURATION_PATTERN:
        return "duration"
    if part.get("format") == "date-time":
        return "time, RFC 3339"
    if "pattern" in part:
        return f"text that matches `{part['pattern']}`"
    limits = [words.format(part[limit]) for limit, words in _LIMITS.items() if limit in part]
    return " ".join([_NAMES[part["type"]], " and ".join(limits)]).strip()


def _plural(part: Schema) -> str:
    if part["type"] == "object":
        return "sections"
    return "texts" if part["type"] == "string" else _kind(part, {}).replace("number", "numbers")


def _mapping(part: Schema, known: Schema) -> str:
    if "properties" in part:
        return "section"
    for pattern, value in part.get("patternProperties", {}).items():
        return f"map: name that matches `{pattern}` to {_kind(_resolved(value, known), known)}"
    return f"map: text to {_kind(_resolved(part['additionalProperties'], known), known)}"


def _default(part: Schema) -> str:
    """Return a default as YAML's flow style writes it; those of sections stand with their keys."""
    if "default" not in part or "properties" in part:
        return ""
    return _written(part["default"])


def _written(value: object) -> str:
    match value:
        case str():
            return value
        case dict():
            return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_written, value)) + "]"
        case float():
            return f"{value:g}" if value < 1e6 else str(int(value))
        case _:
            return json.dumps(value)

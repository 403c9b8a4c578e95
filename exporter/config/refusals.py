"""What pydantic refuses, in our own words: its messages can quote the value, which may be a secret."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.config.problems import Fault, KeyPath, shown_key

_MESSAGES: Final = MappingProxyType(
    {
        "bool_type": "must be true or false",
        "dict_type": "must be a section of keys",
        "finite_number": "must be a finite number",
        "float_parsing": "must be a number",
        "float_type": "must be a number",
        "greater_than": "must be more than {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "int_from_float": "must be a whole number",
        "int_parsing": "must be a whole number",
        "int_parsing_size": "must be a smaller number",
        "int_type": "must be a whole number",
        "less_than": "must be less than {lt:g}",
        "less_than_equal": "must be at most {le:g}",
        "literal_error": "must be {expected}",
        "missing": "is required",
        "model_type": "must be a section of keys",
        "string_pattern_mismatch": "must match {pattern}",
        "string_too_short": "is empty",
        "string_type": "must be text",
        "too_short": "needs at least one entry",
        "tuple_type": "must be a list",
    }
)


def faults_in(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """Yield what the model refused, never with the value."""
    for details in error.errors(include_url=False):
        path = tuple(step for step in details["loc"] if step != "[key]")
        if details["type"] == "too_short" and details["input"]:
            continue  # the entries are there, and refused themselves
        if details["type"] == "extra_forbidden":
            yield Fault(path, _unknown_key(path, model), at_key=True)
        else:
            yield Fault(path, _message(details), at_key="[key]" in details["loc"])


def _message(details: ErrorDetails) -> str:
    context: dict[str, Any] = details.get("ctx", {})
    if details["type"] == "value_error":  # raised by our own validators
        return str(context["error"])
    return _MESSAGES.get(details["type"], "has a wrong value").format_map(context)


def _unknown_key(path: KeyPath, model: type[BaseModel]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 (a quarter of a megabyte that only a mistake needs)

    valid = sorted(_section_at(path[:-1], model).model_fields)
    key = shown_key(str(path[-1])).rstrip("…").lower().replace("-", "_")
    close = get_close_matches(key, valid, n=1)
    return f"is no setting: did you mean {close[0]}?" if close else f"is no setting here: there are {', '.join(valid)}"


def _section_at(path: KeyPath, section: type[BaseModel]) -> type[BaseModel]:
    for step in path:
        field = section.model_fields.get(str(step))  # none for a position or a user's own name
        section = (field and section_in(field.annotation)) or section
    return section


def section_in(annotation: object) -> type[BaseModel] | None:
    """Return the section that an annotation is about, alone or in a list, a map or a choice."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_in, get_args(annotation))), None)

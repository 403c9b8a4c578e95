"""The types of the settings: how the text of the YAML becomes a value, and which values are refused."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from exporter.config.durations import DURATION_PATTERN, format_duration, parse_duration
from exporter.config.scalars import Plain
from exporter.config.secrets import Secret, check_secret, read_secret_file
from exporter.config.timestamps import parse_timestamp
from exporter.config.urls import check_base_url, check_proxy_url

STRICT: Final = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)

T = TypeVar("T")

_SWITCHES: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


def seconds(text: str, *, validate_default: bool = False) -> Any:  # noqa: ANN401  # what pydantic's Field gives
    """Return a field whose default is the duration, shown in the schema as it is written."""
    default: Any = parse_duration(text)
    return Field(default, validate_default=validate_default, json_schema_extra={"default": text})


def _unquoted(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Plain):
        raise ValueError("must be a number, without quotes")  # noqa: TRY004  # pydantic wants ValueError
    return value


def _switch(value: object) -> object:
    if isinstance(value, str):
        found = _SWITCHES.get(value.lower()) if isinstance(value, Plain) else None
        if found is None:
            raise ValueError("must be true or false, without quotes")
        return found
    return value


def _seconds(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _unix_seconds(value: object) -> object:
    return parse_timestamp(value) if isinstance(value, str) else value


def _above_zero(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0s")
    return value


def _at_least_a_second(value: float) -> float:
    if value < 1:
        raise ValueError("must be at least 1s")
    return value


def folder_of(info: ValidationInfo) -> Path:
    """Return the folder that relative paths start from: the config file's, or the working directory."""
    return info.context if isinstance(info.context, Path) else Path()


def _local_path(value: Path, info: ValidationInfo) -> Path:
    if value == Path():
        raise ValueError("must be the path of a file")
    return folder_of(info) / value


def _local_glob(value: str, info: ValidationInfo) -> str:
    folder = folder_of(info)
    return str(Path(glob.escape(str(folder))) / value)


def _host(value: str) -> str:
    if _HOST.fullmatch(value) is None:
        raise ValueError("must be a host or host:port, such as app.example or [::1]:10768")
    return value.lower()


def _secret_text(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return Secret(text=SecretStr(check_secret(str(value))))
    raise ValueError("must be text")  # pydantic wants ValueError


def _secret_file(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    path = file_at(value, info)
    read_secret_file(path)
    return Secret(path=path)


def file_at(value: object, info: ValidationInfo) -> Path:
    """Return the path that a value names, from the folder where relative ones start; raise ValueError."""
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("must be the path of a file")
    return folder_of(info) / value


def text_or_file(value: T | None, info: ValidationInfo) -> T | None:
    """Return what is given as text, or else what its `_file` twin names, which stands before it in the model."""
    twin: T | None = info.data.get(f"{info.field_name}_file")
    if value and twin and value != twin:
        raise ValueError(f"give either {info.field_name} or {info.field_name}_file, not both")
    return value or twin


Switch = Annotated[bool, BeforeValidator(_switch)]
UNQUOTED: Final = BeforeValidator(_unquoted)
"""Refuses a quoted number; stands after the limits, or the schema loses them."""
Count = Annotated[int, Field(ge=1), UNQUOTED]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), UNQUOTED]
Text = Annotated[str, Field(min_length=1)]
Channel = Annotated[str, Field(min_length=1), AfterValidator(lambda value: value.strip().lower())]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]

Duration = Annotated[
    float,
    Field(ge=0, allow_inf_nan=False),
    BeforeValidator(_seconds),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
"""Seconds; `0s` too."""
PositiveDuration = Annotated[Duration, AfterValidator(_above_zero)]
SecondOrMore = Annotated[Duration, AfterValidator(_at_least_a_second)]
Timestamp = Annotated[float, BeforeValidator(_unix_seconds), WithJsonSchema({"type": "string", "format": "date-time"})]
"""Unix seconds."""

BaseUrl = Annotated[str, AfterValidator(check_base_url)]
ProxyUrl = Annotated[str, AfterValidator(check_proxy_url)]
Host = Annotated[str, AfterValidator(_host)]
LocalPath = Annotated[Path, AfterValidator(_local_path), WithJsonSchema({"type": "string"})]
LocalGlob = Annotated[str, Field(min_length=1), AfterValidator(_local_glob)]

_SECRET_SCHEMA: Final = WithJsonSchema({"type": "string", "minLength": 1})
SecretText = Annotated[
    Annotated[Secret, PlainValidator(_secret_text), _SECRET_SCHEMA] | None,
    AfterValidator(text_or_file),
    Field(validate_default=True),
]
"""A secret given as text; with its `_file` twin in the model before it, the secret however it was given."""
SecretFile = Annotated[Secret, PlainValidator(_secret_file), _SECRET_SCHEMA] | None

"""Writes log records as one line each, in logfmt or JSON.

Nothing is redacted by pattern: what must not be seen is not logged. So an exception shows its type and where it
was raised, not its text, which may quote an answer or a number (an OSError adds the system's own words).
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
import os
import re
import ssl
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = str | int | float | bool | None
Level = Literal["debug", "info", "warn", "error"]
Format = Literal["logfmt", "json"]

# The highest first, which is the order to look a record's level up in.
_LEVELS: Final[Mapping[str, int]] = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_LONGEST_VALUE: Final = 200
"""Characters of a value that are shown; values can come from outside."""
_LONGEST_MESSAGE: Final = 1000
_DEEPEST_TRACE: Final = 5
"""Stack frames that are shown, the innermost."""
_BARE: Final = re.compile(r"[A-Za-z0-9_.:/@%+,*-]+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PHONE: Final = re.compile(r"\d(?:[-._:]?\d){6,}")
_KEPT_DIGITS: Final = 4
_NOT_IN_KEYS: Final = re.compile(r"[^A-Za-z0-9_.]", re.ASCII)


def setup(level: Level, fmt: Format, stream: TextIO) -> None:
    """Make the root logger write to `stream`, in place of whatever it wrote to before."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LineFormatter(_LINES[fmt]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])


def fields(**values: Value) -> dict[str, dict[str, Value]]:
    """Structured values for a record: `logger.info("polled", extra=fields(account="main"))`."""
    return {"fields": values}


def without_phone(message_id: str) -> str:
    """Return an id with only the last four of any digits that could be a phone number: some choose such ids."""
    if _UUID.fullmatch(message_id):
        return message_id
    return _PHONE.sub(lambda found: "…" + found[0][-_KEPT_DIGITS:], message_id)


class _LineFormatter(logging.Formatter):
    """A formatter that logging accepts, around a function that writes the line."""

    def __init__(self, write: Callable[[Mapping[str, Value]], str]) -> None:
        super().__init__()
        self._write = write

    def format(self, record: logging.LogRecord) -> str:
        return self._write(_entry(record))


def _entry(record: logging.LogRecord) -> dict[str, Value]:
    """Everything the line says, in its order; a field cannot take the name of a fixed one."""
    created = dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds")
    entry: dict[str, Value] = {
        "ts": created.replace("+00:00", "Z"),
        "level": _level_name(record.levelno),
        "logger": record.name,
        "msg": _cut(record.getMessage(), _LONGEST_MESSAGE),
    }
    if record.exc_info and (error := record.exc_info[1]):
        entry["error"] = _error_name(error)
        entry["at"] = _raised_at(error)
    given: Mapping[str, object] = getattr(record, "fields", {})
    shown = {_NOT_IN_KEYS.sub("_", key) or "_": _shown(value) for key, value in given.items()}
    return entry | {key: value for key, value in shown.items() if key not in entry}


def _level_name(number: int) -> str:
    return next((name for name, least in _LEVELS.items() if number >= least), "debug")


def _error_name(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    # What ssl raises has numbers of OpenSSL's; what the resolver raises negative ones, which strerror does not know.
    reason = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return f"{name}: {os.strerror(reason)}" if reason is not None and reason > 0 else name


def _raised_at(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_DEEPEST_TRACE:]
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))


def _shown(value: object) -> Value:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return _cut(str(value), _LONGEST_VALUE)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _logfmt(entry: Mapping[str, Value]) -> str:
    return " ".join(f"{key}={_logfmt_value(value)}" for key, value in entry.items())


def _logfmt_value(value: Value) -> str:
    return value if isinstance(value, str) and _BARE.fullmatch(value) else _json(value)


def _json(value: object) -> str:
    """JSON in which nothing is left that breaks a line, moves a cursor or turns text around."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


_LINES: Final[Mapping[str, Callable[[Mapping[str, Value]], str]]] = {"logfmt": _logfmt, "json": _json}

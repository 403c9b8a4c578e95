"""From a config file, or the environment alone, to a Config or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from exporter.config.document import Document, UnreadableError, Value, read_document
from exporter.config.model import Config
from exporter.config.problems import ConfigError, Fault, KeyPath, Problem, key_path
from exporter.config.refusals import faults_in
from exporter.config.rules import broken_rules

M = TypeVar("M", bound=BaseModel)

_VARIABLES: Final[Mapping[KeyPath, str]] = MappingProxyType(
    {
        ("accounts", 0, "auth", "api_key"): "SMSBAT_API_KEY",
        ("accounts", 0, "auth", "username"): "SMSBAT_USERNAME",
        ("accounts", 0, "auth", "password"): "SMSBAT_PASSWORD",
        ("accounts", 0, "base_url"): "SMSBAT_BASE_URL",
    }
)


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Read the config file; raise ConfigError with all of its problems, in the order of their lines."""
    file = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(file, 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    root, document = sections_in(file, content, env, "accounts:")
    _place_store(root, env)
    known = [*document.faults, *without_those_below(document.faults, [*broken_rules(root)])]
    return validated(Config, root, path.parent, known, in_file(file, document))


def sections_in(
    file: str, content: bytes, env: Mapping[str, str] | None, example: str
) -> tuple[dict[str, Value], Document]:
    """Read YAML whose top is a section with keys such as the example; raise ConfigError.

    Without `env`, `${NAME}` stays as it is.
    """
    try:
        document = read_document(content, env)
    except UnreadableError as error:
        line, column = (error.mark.line + 1, error.mark.column + 1) if error.mark else (0, 0)
        raise ConfigError([Problem(file, line, column, "", str(error))]) from None
    root = {} if document.value is None else document.value
    if not isinstance(root, dict):
        raise ConfigError([Problem(file, 1, 1, "", f"must be a section of keys, such as `{example}`")])
    return root, document


def named_in(env: Mapping[str, str]) -> bool:
    """Whether the environment says anything of an account."""
    return any(name in env for name in _VARIABLES.values())


def from_environment(env: Mapping[str, str]) -> Config:
    """Build the one account `default` from `SMSBAT_*`; raise ConfigError naming the variables that are wrong."""
    given = {path: env[name] for path, name in _VARIABLES.items() if env.get(name)}
    by_key, by_user = "SMSBAT_API_KEY" in _named(given), {"SMSBAT_USERNAME", "SMSBAT_PASSWORD"} & _named(given)
    if by_key == bool(by_user) or len(by_user) == 1:
        message = "set either SMSBAT_API_KEY, or both SMSBAT_USERNAME and SMSBAT_PASSWORD"
        raise ConfigError([Problem("environment", 0, 0, "", message)])
    auth: dict[str, Value] = {"method": "header" if by_key else "basic"}
    account: dict[str, Value] = {"name": "default", "auth": auth}
    for path, text in given.items():
        (auth if "auth" in path else account)[str(path[-1])] = text
    root: dict[str, Value] = {"accounts": [account]}
    _place_store(root, env)
    return validated(Config, root, Path(), [*broken_rules(root)], _in_environment)


def _place_store(root: dict[str, Value], env: Mapping[str, str]) -> None:
    """An image says in its environment where the state goes that no configuration places."""
    if place := env.get("SMSBAT_STORE_PATH"):
        store = root.setdefault("store", {})
        if isinstance(store, dict):
            store.setdefault("path", place)


def _named(given: Mapping[KeyPath, str]) -> set[str]:
    return {_VARIABLES[path] for path in given}


def validated(
    model: type[M], root: dict[str, Value], folder: Path, known: list[Fault], problem: Callable[[Fault], Problem]
) -> M:
    """Return the sections as a model; raise ConfigError with the known faults and all that the model refuses."""
    faults = known
    config: M | None = None
    try:
        config = model.model_validate(root, context=folder)
    except ValidationError as error:
        faults = [*known, *without_those_below(known, [*faults_in(error, model)])]
    if config is None or faults:
        problems = {problem(fault) for fault in faults}
        raise ConfigError(sorted(problems, key=lambda it: (it.line, it.column, it.key, it.message)))
    return config


def without_those_below(known: list[Fault], faults: list[Fault]) -> list[Fault]:
    """Leave out what only follows from a known fault at the same place or around it."""
    broken = {fault.path for fault in known}
    return [it for it in faults if not any(it.path[:length] in broken for length in range(len(it.path) + 1))]


def in_file(file: str, document: Document) -> Callable[[Fault], Problem]:
    """Return what gives a fault its place in the file."""

    def problem(fault: Fault) -> Problem:
        line, column = document.locate(fault.path, at_key=fault.at_key)
        return Problem(file, line, column, key_path(fault.path), fault.message)

    return problem


def _in_environment(fault: Fault) -> Problem:
    return Problem("environment", 0, 0, _VARIABLES.get(fault.path, key_path(fault.path)), fault.message)

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from docs.source.explanations import switched_on
from exporter.config import Config, json_schema, load
from exporter.config.refusals import section_in

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"
ENV = {"SMSBAT_API_KEY": "made-up"}
MINIMAL = "accounts: [{name: main, auth: {method: header, api_key: '${SMSBAT_API_KEY}'}}]\n"


def settings_of(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        section = section_in(field.annotation)
        if section is not None:
            yield from settings_of(section)


def defaults_in(schema: object) -> Iterator[tuple[dict[str, Any], object]]:
    if isinstance(schema, dict):
        if "default" in schema:
            yield schema, schema["default"]
        for part in schema.values():
            yield from defaults_in(part)


def written_out(folder: Path) -> Path:
    """The example with every commented setting switched on, the way its first lines say."""
    (folder / "secret").write_text("made-up\n")
    path = folder / "config.yaml"
    path.write_text(re.sub(r"/run/secrets/\S+", str(folder / "secret"), switched_on(EXAMPLE.read_text())))
    return path


def test_every_default_that_the_example_shows_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "minimal.yaml").write_text(MINIMAL)
    (tmp_path / "example.yaml").write_text(EXAMPLE.read_text())
    assert load(tmp_path / "example.yaml", ENV) == load(tmp_path / "minimal.yaml", ENV)


def test_the_example_mentions_every_setting() -> None:
    text = EXAMPLE.read_text()
    secrets = {"token", "webhook_token", "password_file"}  # "under the same key with _file"
    assert [name for name in settings_of(Config) if name not in secrets and not re.search(rf"\b{name}\b", text)] == []


def test_the_commented_settings_of_the_example_are_right_too(tmp_path: Path) -> None:
    config = load(written_out(tmp_path), ENV)
    assert config.polling[0].channels == ("viber_otp", "flashcall")
    assert config.messages[0].labels == {"campaign": "spring"}
    assert config.objectives[0].name == "otp-10s"
    assert config.relay is not None
    assert config.api.token is not None
    assert config.accounts[0].webhook_token is not None


def test_the_schema_is_valid_and_takes_the_example(tmp_path: Path) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(EXAMPLE.read_text()))
    # timestamps are text to us and to editors, not to YAML 1.1
    validator.validate(
        yaml.safe_load(written_out(tmp_path).read_text().replace("2026-01-23T10:30:00Z", "'2026-01-23T10:30:00Z'"))
    )


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"windows": "1h"},
        {"window": 5},
        {"window": "1"},
        {"relay": None},
        {"max_label_sets": 0},
        {"tracing": {"sample_ratio": 2}},
        {"polling": [{"backoff": 0.5}]},
    ],
)
def test_the_schema_refuses_what_the_exporter_refuses(broken: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    account = {"accounts": [{"name": "main", "auth": {"method": "header", "api_key": "x"}}]} if broken else {}
    assert not validator.is_valid(account | broken)


def test_the_defaults_of_the_schema_are_written_as_in_the_file() -> None:
    schema = json_schema()
    assert schema["properties"]["retention"]["default"] == "24h"
    assert schema["properties"]["polling"]["default"][0]["timeout"] == "72h"
    for part, default in defaults_in(schema):
        jsonschema.Draft202012Validator(part | {"$defs": schema["$defs"]}).validate(default)

"""The JSON Schema of the config file, for editors."""

from __future__ import annotations

from typing import Any

from exporter.config.model import Config


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the config file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}
    schema["title"] = "smsbat-exporter configuration"
    return {key: _without_nulls(value) for key, value in schema.items()}


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Drop what speaks of null, the choice and the default alike: the file cannot say it."""
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_nulls(item) for key, item in value.items() if item is not None}
    choices = [choice for choice in kept.pop("anyOf", []) if choice != {"type": "null"}]
    return kept | choices[0] if choices else kept

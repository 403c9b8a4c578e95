"""The configurations that the benchmarks run with: the contract's defaults, and what a benchmark changes."""

from __future__ import annotations

from exporter.config import Config


def config(account: dict[str, object] | None = None, **settings: object) -> Config:
    """Return the defaults with one account named `main`, and changes to that account and the settings."""
    auth = {"method": "header", "api_key": "benchmark"}
    return Config.model_validate({"accounts": [{"name": "main", "auth": auth, **(account or {})}], **settings})

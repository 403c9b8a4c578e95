"""The files of deploy/compose, as its containers see them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from exporter.config import Config, load

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "deploy" / "compose"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]


def mounts(service: str) -> dict[str, Path | str]:
    """Return what is mounted where: a path of this machine, or the name of a volume."""
    found: dict[str, Path | str] = {}
    for entry in SERVICES[service].get("volumes", []):
        source, target = entry.split(":")[:2]
        found[target] = (FOLDER / source).resolve() if source.startswith(".") else source
    for name in SERVICES[service].get("secrets", []):
        found[f"/run/secrets/{name}"] = FOLDER / COMPOSE["secrets"][name]["file"]
    return found


def mounted(service: str, path: str) -> Path:
    """Return the file of this machine that a container finds at a path."""
    for target, source in mounts(service).items():
        if isinstance(source, Path) and (path == target or path.startswith(f"{target}/")):
            return source / path.removeprefix(target).lstrip("/")
    raise AssertionError(f"nothing is mounted at {path} of {service}")


def flags(service: str) -> dict[str, str]:
    """Return the flags of a service's command."""
    return {name.lstrip("-"): value for name, _, value in (it.partition("=") for it in SERVICES[service]["command"])}


def exporters_config_text() -> str:
    """Return the exporter's configuration, with this machine's paths in place of the container's."""
    text = mounted("exporter", flags("exporter")["config.file"]).read_text("utf-8")
    for target, source in mounts("exporter").items():
        text = text.replace(target, str(source))
    return text


def exporters_config(folder: Path) -> Config:
    """Read that configuration from a folder."""
    (folder / "config.yaml").write_text(exporters_config_text(), "utf-8")
    return load(folder / "config.yaml", {})

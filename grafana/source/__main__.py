"""Writes grafana/dashboards/*.json: python -m grafana.source."""

from __future__ import annotations

from grafana.source.rendering import FOLDER, files

for name, content in files().items():
    (FOLDER / name).write_bytes(content)

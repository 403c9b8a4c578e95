"""Every dashboard as the file that is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.source import delivery, exporter, fallback_and_cost, objectives, overview
from grafana.source.page import dashboard

FOLDER: Final = Path(__file__).parents[1] / "dashboards"
_PAGES: Final = (overview.page, delivery.page, fallback_and_cost.page, objectives.page, exporter.page)


def files() -> dict[str, bytes]:
    """Return each dashboard's file by its name."""
    boards = [dashboard(page()) for page in _PAGES]
    return {f"{board.uid}.json": _bytes(board) for board in boards}


def _bytes(board: Dashboard) -> bytes:
    plain: dict[str, Any] = json.loads(json.dumps(board, cls=JSONEncoder))
    # A number of one Grafana's database; null is what makes a file good for importing and provisioning.
    plain["id"] = None
    for link in [*plain["links"], *(link for panel in plain["panels"] for link in panel.get("links", ()))]:
        # The SDK always says "inControlsMenu", which hides links in Grafana 12 and is unknown before.
        del link["placement"]
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"

"""The dashboards as they are committed: panels, queries and variables, and what Grafana makes of an expression."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "grafana" / "dashboards"
CAMPAIGN: Final = "campaign"
"""The label that `$label` stands for here, as the demo configures it."""
_CHOSEN: Final = {
    "job": ".+",
    "instance": ".+",
    "account": ".+",
    "channel": ".+",
    "objective": ".+",
    "label": CAMPAIGN,
    "period": "28d",
}
_VARIABLE: Final = re.compile(r"\$(\w+)|\$\{(\w+)(?::\w+)?\}")
_VARIABLE_QUERY: Final = re.compile(r"label_(?:values|names)\((?P<selector>[^()]*?)(?:, (?P<label>\w+))?\)")


class Asked(NamedTuple):
    """A query of a panel: how it is asked, and how its series are called."""

    board: str
    panel: str
    kind: str
    expression: str
    legend: str
    at_once: bool
    exemplars: bool
    least_step_seconds: int

    @property
    def name(self) -> str:
        """Where it is, for people."""
        return f"{self.board}: {self.panel}"


def boards() -> dict[str, Any]:
    """Return every committed dashboard by its file's name."""
    return {path.name: json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every panel but the headings, with its dashboard's title."""
    for board in boards().values():
        yield from ((board["title"], panel) for panel in board["panels"] if panel["type"] != "row")


def queries() -> Iterator[Asked]:
    """Yield every query of every panel."""
    for board, panel in panels():
        step = {"": 1, "1m": 60, "5m": 300}[panel.get("interval", "")]
        for target in panel.get("targets", ()):
            yield Asked(
                board,
                panel["title"],
                panel["type"],
                target["expr"],
                target.get("legendFormat", ""),
                target.get("instant", False),
                target.get("exemplar", False),
                step,
            )


def variables() -> Iterator[tuple[str, str, str | None]]:
    """Yield where each variable with a query is, the series that it asks for, and the label whose values it wants."""
    for board in boards().values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found = _VARIABLE_QUERY.fullmatch(variable["query"])
                assert found, variable["query"]
                yield f"{board['title']}: ${variable['name']}", found["selector"], found["label"]


def filled(expression: str, *, interval_seconds: int = 15, scrape_seconds: int = 15, range_seconds: int = 3600) -> str:
    """Put values where variables stand, as Grafana does; a KeyError for one that nobody defines."""
    values: Mapping[str, str] = {
        **_CHOSEN,
        "__interval": f"{interval_seconds}s",
        "__rate_interval": f"{max(interval_seconds + scrape_seconds, 4 * scrape_seconds)}s",
        "__range": f"{range_seconds}s",
    }
    return _VARIABLE.sub(lambda found: values[found[1] or found[2]], expression)

"""docs/scaling.md: its table of calls is what the schedule does."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Final

import pytest
import yaml

from exporter.config import Config
from exporter.config.durations import parse_duration
from exporter.schedule import Pace, first_due, next_due
from exporter.settings import polling_rules

TEXT: Final = (Path(__file__).parents[1] / "docs" / "scaling.md").read_text("utf-8")
ROWS: Final = re.findall(r"(?m)^\| (\d+ \w+|never) \| (\d+)[^|]* \| (\d+|-)[^|]* \| (\d+)[^|]* \|$", TEXT)
ANSWER_SECONDS: Final = 0.08
AIM_SECONDS: Final = 0.13
"""How early polls start when answers take about so long."""


def paces() -> dict[str, Pace]:
    entries = yaml.safe_load(re.findall(r"```yaml\n(polling:.*?)```", TEXT, re.DOTALL)[0])["polling"]
    account = {"name": "main", "auth": {"method": "header", "api_key": "x"}}
    rules = polling_rules(Config.model_validate({"accounts": [account], "polling": entries}))
    return dict(zip(("passwords", "campaign", "default"), (rule.pace for rule in rules), strict=True))


def polls(pace: Pace) -> list[float]:
    """When a message that never ends is asked about, in seconds from its sending."""
    found = [first_due(pace, 0.0, AIM_SECONDS)]
    while found[-1] < pace.timeout:
        found.append(next_due(pace, 0.0, found[-1] + ANSWER_SECONDS, AIM_SECONDS, pace.timeout))
    return found


def calls(pace: Pace, ends_after: str) -> str:
    if ends_after == "never":
        return str(len(polls(pace)))
    seconds = parse_duration(ends_after.replace(" ", "").replace("min", "m"))
    if seconds > pace.timeout:
        return "-"
    return str(len(list(takewhile(lambda at: at < seconds, polls(pace)))) + 1)


def test_the_default_entry_is_the_default() -> None:
    account = {"name": "main", "auth": {"method": "header", "api_key": "x"}}
    assert paces()["default"] == polling_rules(Config.model_validate({"accounts": [account]}))[-1].pace


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_message_costs_as_many_calls_as_the_table_says(row: tuple[str, str, str, str]) -> None:
    ends_after, *told = row
    found = paces()
    assert told == [calls(found[name], ends_after) for name in ("default", "passwords", "campaign")]


def test_the_table_is_read() -> None:
    assert [row[0] for row in ROWS] == ["2 s", "8 s", "30 s", "1 min", "5 min", "1 h", "1 d", "never"]

"""Every query of every dashboard, asked of a real Prometheus that scrapes the demo, as Grafana would ask it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from tests.boards import filled, queries, variables
from tests.integration.process import spawn
from tests.integration.test_prometheus import Prometheus, free_port, scraping

DEMO: Final = ("-m", "exporter", "demo", "--api.listen-address=127.0.0.1:0", "--webhook.listen-address=127.0.0.1:0")
RANGE_SECONDS: Final = 300
PATIENCE_SECONDS: Final = 240.0
"""The demo's slowest messages end after 90 s; the rest is for a machine that has other things to do."""
PAUSE_SECONDS: Final = 2.0
NOTHING: Final = {
    "SMSBat / Exporter: Relay, {{code}}": "only who tries the examples sends through the demo's relay",
}
"""Queries without data, and why."""


class Question(NamedTuple):
    """An expression with its variables filled in, and how it is asked."""

    name: str
    expression: str
    at_once: bool
    step_seconds: int


def questions() -> Iterator[Question]:
    """Yield what the panels ask; a week ago is ten seconds ago here, because this Prometheus is that young."""
    for query in queries():
        expression = filled(
            query.expression.replace("offset 1w", "offset 10s"),
            interval_seconds=query.least_step_seconds,
            scrape_seconds=1,
            range_seconds=RANGE_SECONDS,
        )
        yield Question(f"{query.name}, {query.legend}", expression, query.at_once, query.least_step_seconds)


async def has_numbers(prometheus: Prometheus, question: Question) -> bool:
    """Ask; return whether there was a finite number in the answer."""
    now = time.time()
    try:
        if question.at_once:
            answer = await prometheus.get("query", query=question.expression)
        else:
            span = {"start": str(now - RANGE_SECONDS), "end": str(now), "step": str(question.step_seconds)}
            answer = await prometheus.get("query_range", query=question.expression, **span)
    except KeyError as error:
        raise AssertionError(f"{question.name} is refused: {question.expression}") from error
    return any(math.isfinite(float(value)) for row in answer["result"] for _, value in samples(row))


def samples(row: dict[str, Any]) -> list[tuple[float, str]]:
    """Return a series' samples, of an instant or of a range."""
    found: list[tuple[float, str]] = row["values"] if "values" in row else [row["value"]]
    return found


async def without_numbers(prometheus: Prometheus, asked: list[Question]) -> list[Question]:
    """Ask all; return those that had no answer with a number."""
    return [question for question in asked if not await has_numbers(prometheus, question)]


async def values(prometheus: Prometheus, selector: str, label: str | None) -> list[str]:
    """Return what a variable offers: a label's values, or the names of labels."""
    path = f"label/{label}/values" if label else "labels"
    found: list[str] = await prometheus.get(path, **{"match[]": filled(selector)})
    return found


async def test_every_query_of_every_dashboard_finds_numbers_in_the_demo(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with (
        aiohttp.ClientSession() as session,
        spawn(session, tmp_path, *DEMO, f"--web.listen-address={address}") as demo,
        scraping(tmp_path, address) as prometheus,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        missing = await without_numbers(prometheus, list(questions()))
        while not {question.name for question in missing} <= NOTHING.keys():
            assert await demo.runs_for(PAUSE_SECONDS), demo.log
            missing = await without_numbers(prometheus, missing)
        offered = {name: await values(prometheus, selector, label) for name, selector, label in variables()}
    assert {question.name for question in missing} == NOTHING.keys()
    assert [name for name, found in offered.items() if not found] == []
    assert "campaign" in offered["SMSBat / Delivery: $label"]

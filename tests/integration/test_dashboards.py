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
from tests.otlp import Collector, collecting

DEMO: Final = ("-m", "exporter", "demo", "--api.listen-address=127.0.0.1:0", "--webhook.listen-address=127.0.0.1:0")
RANGE_SECONDS: Final = 300
PATIENCE_SECONDS: Final = 240.0
"""The demo has shown everything after 70 s; the rest is for a machine that has other things to do."""
PAUSE_SECONDS: Final = 2.0
STILL: Final = {
    "SMSBat / Delivery: Waiting for over 5 minutes, by channel": "every message of the demo ends sooner",
    "SMSBat / Exporter: Parked messages": "the demo removes no account",
    "SMSBat / Exporter: Paused accounts": "a pause is two seconds long, and there may be none",
    "SMSBat / Exporter: Relay": "only who tries the examples sends through the demo's relay",
    "SMSBat / Exporter: Store errors": "a store in memory does not fail",
    "SMSBat / Fallback and cost: Of it, for messages not delivered": "what fails costs nothing in the demo",
    "SMSBat / Overview: In flight, by age": "few messages of the demo live for a minute",
    "SMSBat / Overview: Waiting for over 5 minutes": "every message of the demo ends sooner",
}
"""Panels whose numbers may all be 0 in the demo, and why; all others show more than that."""
A_WEEK_AGO: Final = "10s"
"""This Prometheus is too young for `offset 1w`; the rest of such an expression is asked as it is."""


class Question(NamedTuple):
    """An expression with its variables filled in, and how it is asked."""

    panel: str
    expression: str
    at_once: bool
    step_seconds: int
    exemplars: bool


def questions() -> Iterator[Question]:
    """Yield what the panels ask."""
    for query in queries():
        expression = filled(
            query.expression.replace("offset 1w", f"offset {A_WEEK_AGO}"),
            interval_seconds=query.least_step_seconds,
            scrape_seconds=1,
            range_seconds=RANGE_SECONDS,
        )
        yield Question(query.name, expression, query.at_once, query.least_step_seconds, query.exemplars)


async def numbers(prometheus: Prometheus, question: Question) -> set[float]:
    """Ask, and return the finite numbers in the answer."""
    now = time.time()
    try:
        if question.at_once:
            answer = await prometheus.get("query", query=question.expression)
        else:
            span = {"start": str(now - RANGE_SECONDS), "end": str(now), "step": str(question.step_seconds)}
            answer = await prometheus.get("query_range", query=question.expression, **span)
    except KeyError as error:
        raise AssertionError(f"{question.panel} is refused: {question.expression}") from error
    return {number for row in answer["result"] for number in samples(row) if math.isfinite(number)}


def samples(row: dict[str, Any]) -> list[float]:
    """Return a series' samples, of an instant or of a range."""
    found = row["values"] if "values" in row else [row["value"]]
    return [float(value) for _, value in found]


async def exemplars(prometheus: Prometheus, question: Question) -> set[str]:
    """Return the names of the labels of the exemplars that are drawn with a query."""
    now = time.time()
    span = {"start": str(now - RANGE_SECONDS), "end": str(now)}
    answer = await prometheus.get("query_exemplars", query=question.expression, **span)
    return {name for row in answer for exemplar in row["exemplars"] for name in exemplar["labels"]}


def traced(collector: Collector) -> dict[str, str]:
    """Return the environment that has every message traced."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on"}


async def values(prometheus: Prometheus, selector: str, label: str | None) -> list[str]:
    """Return what a variable offers: a label's values, or the names of labels."""
    path = f"label/{label}/values" if label else "labels"
    found: list[str] = await prometheus.get(path, **{"match[]": filled(selector)})
    return found


async def test_every_query_of_every_dashboard_finds_numbers_in_the_demo(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with (
        collecting() as collector,
        aiohttp.ClientSession() as session,
        spawn(session, tmp_path, *DEMO, f"--web.listen-address={address}", env=traced(collector)) as demo,
        scraping(tmp_path, address, "--enable-feature=exemplar-storage") as prometheus,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        still = list(questions())
        while not {question.panel for question in still} <= STILL.keys():
            assert await demo.runs_for(PAUSE_SECONDS), demo.log
            still = [question for question in still if not any(await numbers(prometheus, question))]
        without = [question.panel for question in still if not await numbers(prometheus, question)]
        offered = {name: await values(prometheus, selector, label) for name, selector, label in variables()}
        dotted = {it.panel: await exemplars(prometheus, it) for it in questions() if it.exemplars}
    assert without == [], "a panel of zeros has zeros"
    assert len(dotted) == 4
    assert [name for name, found in dotted.items() if "trace_id" not in found] == []
    assert [name for name, found in offered.items() if not found] == []
    assert "campaign" in offered["SMSBat / Delivery: $label"]


def test_the_panels_that_may_stand_still_exist() -> None:
    assert STILL.keys() <= {question.panel for question in questions()}

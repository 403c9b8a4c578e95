"""What the rules measure has numbers in the demo: a real Prometheus runs every expression and finds finite ones."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import promql_parser as promql

from prometheus.source.catalogue import ALERTS, RECORDS
from prometheus.source.grafana import inlined
from tests.integration.process import LISTENING, ROOT
from tests.integration.scrape import Series
from tests.integration.test_prometheus import Prometheus, scraping
from tests.test_demo import Command

PATIENCE_SECONDS: Final = 150.0
COMPARISONS: Final = {"<", ">", "==", "!=", "<=", ">="}
WITHOUT_NUMBERS: Final = {
    "offset 1h": "nothing has an hour of history",
    "webhooks_missed_total": "a webhook is missed after a minute, and may be the first in two",
    'outcome="delivered"}[15m]': "shows in `unless`, where it may be missing",
}
"""Parts of expressions that need none, and why."""


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Run the demo while the block lasts; yield where to scrape it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "demo", *LISTENING), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield (await Command(process).says(r"metrics +http://(127\.0\.0\.1:\d+)/metrics"))[1]
    finally:
        process.kill()
        await process.communicate()


def measured(expression: promql.Expr) -> Iterator[promql.Expr]:
    """Yield both sides of each comparison in an expression, but for plain numbers."""
    match expression:
        case promql.BinaryExpr() if str(expression.op) in COMPARISONS:
            yield from side(expression.lhs)
            yield from side(expression.rhs)
        case promql.BinaryExpr():
            yield from measured(expression.lhs)
            yield from measured(expression.rhs)
        case promql.ParenExpr():
            yield from measured(expression.expr)
        case _:
            pass


def side(expression: promql.Expr) -> Iterator[promql.Expr]:
    """Yield one side of a comparison, and what it compares in turn."""
    yield from measured(expression)
    if not isinstance(expression, promql.NumberLiteral):
        yield expression


def queries() -> set[str]:
    """Return what the rules measure, but for what needs no numbers here."""
    alerts = [promql.parse(inlined(alert.expr, RECORDS)) for alert in ALERTS.values()]
    found = {part.prettify() for alert in alerts for part in measured(alert)}
    found |= {record.expr for record in RECORDS.values()}
    return {query for query in found if not any(part in query for part in WITHOUT_NUMBERS)}


def finite(samples: Mapping[Series, float]) -> bool:
    return any(math.isfinite(value) for value in samples.values())


async def finds_numbers(prometheus: Prometheus) -> None:
    """Query until every query has found a number."""
    waiting = queries()
    assert len(waiting) > len(RECORDS)
    try:
        while waiting:
            waiting = {query for query in waiting if not finite(await prometheus.samples(query))}
    except asyncio.CancelledError:
        sys.stderr.write("no numbers from\n" + "\n".join(sorted(waiting)))
        raise


async def test_every_expression_runs_and_finds_finite_numbers_in_the_demo(tmp_path: Path) -> None:
    async with demo() as target, scraping(tmp_path, target) as prometheus:
        await finds_numbers(prometheus)
        for alert in ALERTS.values():
            await prometheus.samples(inlined(alert.expr, RECORDS))  # raises where the answer is an error

"""Gathers what the status page shows: stored numbers, the accounts' health, and the messages that ended last."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from exporter import __version__, summary
from exporter.logs import without_phone
from exporter.message import Fallback, Outcome
from exporter.records import Finished
from exporter.store import StoreError
from exporter.view import api_up
from exporter.web.status import AccountRow, EndedRow, Money, StatusPage, Tracking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.core import Core
    from exporter.desk import Desk
    from exporter.labels import Words
    from exporter.store import FinishedRow
    from exporter.web.status import Door

_LAST: Final = 50
_READ_SECONDS: Final = 2.0
"""How long the page waits for the store: a commit that hangs must not take the page with it."""
_ENDED_BY_SMSBAT: Final = frozenset(
    {Outcome.DELIVERED.value, Outcome.UNDELIVERABLE.value, Outcome.PERMANENTERROR.value}
)


async def status_page(
    core: Core | None, problems: Sequence[str], door: Door | None = None, *, is_ready: bool
) -> StatusPage:
    """Return the page as of now; while the core is being loaded, what is known without it."""
    return StatusPage(
        version=__version__,
        ready=is_ready,
        problems=tuple(problems),
        tracking=None if core is None else await _tracking(core),
        door=door,
    )


async def _tracking(core: Core) -> Tracking:
    ended = await _ended(core)
    now = core.clock.now()
    return Tracking(
        at=now,
        window=summary.window(core.committer.windows.sums(now), core.config.window),
        totals=summary.totals(core.totals.values),
        statuses=summary.STATUSES,
        max_in_flight=core.admission.max_in_flight,
        in_flight=summary.in_flight(core.committer.gauges),
        accounts=tuple(_account(desk, now) for desk in core.desks.values()),
        retention_seconds=core.config.retention,
        ended=ended,
    )


async def _ended(core: Core) -> tuple[EndedRow, ...] | None:
    try:
        async with asyncio.timeout(_READ_SECONDS):
            rows = await core.writer.call(lambda store: store.latest_finished(_LAST))
    except (StoreError, TimeoutError):
        return None
    return tuple(_ended_row(row, core.rules.words) for row in rows)


def _ended_row(row: FinishedRow, words: Words) -> EndedRow:
    known = msgspec.json.decode(row.body, type=Finished)
    return EndedRow(
        at=row.finished_at,
        account=row.account,
        id=without_phone(row.id),
        channel=known.channel,
        outcome=known.outcome,
        fallback=known.fallback,
        via=_via(known, words),
        took=_took(known),
        cost=None if known.cost is None or known.currency is None else Money(Decimal(known.cost), known.currency),
    )


def _via(known: Finished, words: Words) -> str | None:
    """Return the way that delivered a message by a fallback; it is a word of the API, so only a known one is shown."""
    if known.via is None or known.fallback != Fallback.USED.value or known.outcome != Outcome.DELIVERED.value:
        return None
    return known.via if known.via == known.channel else words.kind(known.via)


def _took(known: Finished) -> tuple[float, float] | None:
    if known.outcome not in _ENDED_BY_SMSBAT or known.lower_seconds is None or known.upper_seconds is None:
        return None
    return known.lower_seconds, known.upper_seconds


def _account(desk: Desk, now: float) -> AccountRow:
    pauses = desk.budget.paused(now)
    return AccountRow(
        name=desk.account,
        up=api_up(desk, now),
        pauses=tuple(pause.value for pause in pauses),
        allowed_per_second=0.0 if pauses else desk.budget.per_second,
        asked_per_second=desk.queue.demand_per_second(),
        polls_due=desk.queue.backlog(now),
        last_success_at=desk.meter.last_success_at or None,
    )

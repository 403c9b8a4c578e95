"""A core as the last process left it: its totals, its windows, and what was in flight."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter import announced, settings, traced
from exporter import catalogue as metrics
from exporter.core import Core
from exporter.message import Status
from exporter.records import Loading
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.store import Store

_CHUNK: Final = 500


async def restored(config: Config, clock: Clock, store: Store) -> Core:
    """Return a core with what the store has; raises StoreError when that cannot be read."""
    writer = Writer(store)
    totals = Totals(settings.layout(config), await writer.call(lambda it: list(it.totals())))
    windows = Windows(config.window, await writer.call(lambda it: list(it.windows())))
    core = Core(config, clock, writer, totals, windows)
    await load(core)
    return core


async def load(core: Core) -> None:
    """Take back what was in flight when the store was last closed, or the process killed."""
    now = core.clock.now()
    await core.writer.call(lambda store: _take_back(core, store, now))
    core.placing.begin()


def _take_back(core: Core, store: Store, now: float) -> None:
    """Fill the columns and count, while nobody else uses them."""
    loading = Loading(core.in_flight, store.count())
    # A million rows are garbage that counting references frees: looking for cycles among them takes a second.
    collects = gc.isenabled()
    gc.disable()
    try:
        for rows in store.in_flight(_CHUNK):
            loading.add(rows)
        core.in_flight.index()
    finally:
        if collects:
            gc.enable()
    core.admission.last_seq = store.last_seq()
    _count_in_flight(core, now)
    core.tracker.announced.load(_notes(store, announced.NOTE, loading), now)
    core.tracker.traced.load(_notes(store, traced.NOTE, loading))


def _notes(store: Store, kind: str, loading: Loading) -> dict[int, str]:
    return {loading.slot(seq): body for seq, body in store.notes(kind).items()}


def _count_in_flight(core: Core, now: float) -> None:
    columns, gauges, aging = core.in_flight.columns, core.committer.gauges, core.tracker.aging
    aging.resume(now)
    alike = Counter(zip(columns.cohort, columns.status, columns.stage, strict=True))
    for (number, status, stage), count in alike.items():
        aging.count(number, range(stage), count)
        cohort = core.in_flight.cohorts[number]
        key = (metrics.IN_FLIGHT, (cohort.account, cohort.channel, Status(status).label))
        gauges[key] = gauges.get(key, 0) + count

"""Commit, then show: gathers changes, has them stored a group at a time, and only then publishes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from itertools import starmap
from typing import Final

from exporter.clock import Clock
from exporter.meters import StoreMeter
from exporter.recall import Recall
from exporter.store import Batch, FinishedRow, InFlightRow, NoteRow, PositionRow, ProgressRow, StoreError
from exporter.store.writer import Writer
from exporter.totals import Key, Tally, Totals
from exporter.window import Windows

_log: Final = logging.getLogger(__name__)
_GROUP_SECONDS: Final = 0.01
_TURNS: Final = 3
_LAZY_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0
_FORGET_EVERY_SECONDS: Final = 10.0


class Changes:
    """What happened since the last group was closed."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.tally = Tally()
        self.accepted: list[InFlightRow] = []
        self.progressed: dict[int, None] = {}
        """Slots whose row is written anew."""
        self.removed: list[int] = []
        """Sequence numbers of messages that are in flight no more."""
        self.finished: list[FinishedRow] = []
        self.positions: dict[str, str | None] = {}
        """How far sources of messages have been read, by their keys; None: forgotten."""
        self.notes: dict[tuple[int, str], str | None] = {}
        """What is kept of few messages only, by sequence number and kind; None: forgotten."""
        self.then: list[Callable[[], None]] = []
        """What happens once all this is stored."""


class Committer:
    """The one way into the store."""

    def __init__(
        self, writer: Writer, clock: Clock, totals: Totals, windows: Windows, row_of: Callable[[int], ProgressRow]
    ) -> None:
        """Take the store's thread, what it is to show, and how a slot becomes a row."""
        self.changes = Changes()
        self.totals = totals
        self.windows = windows
        self.gauges: dict[Key, int] = {}
        """The messages in flight by status, as stored."""
        self.meter = StoreMeter()
        self.recall = Recall()
        self.on_health: Callable[[], None] = lambda: None
        """Told when the store stops working, and when it works again: `meter.problem` says which."""
        self._writer = writer
        self._clock = clock
        self._row_of = row_of
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._awaited = asyncio.Event()
        self._stopping = False
        self._forgotten_before = 0.0

    def soon(self) -> None:
        """Have the changes stored now; what waits for a commit waits for this."""
        self._work.set()
        self._urgent.set()

    def later(self) -> None:
        """Have the changes stored within a second: they show nowhere and hold nobody up."""
        self._work.set()

    async def stored(self) -> None:
        """Return once everything that has happened until now is stored and shown."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tell(lambda: None if done.done() else done.set_result(None))
        await done

    def tell(self, then: Callable[[], None]) -> None:
        """Call this once everything that has happened until now is stored and shown: somebody waits for it."""
        self.changes.then.append(then)
        self._awaited.set()
        self.soon()

    def stop(self) -> None:
        """Commit what there is, and end."""
        self._stopping = True
        self.soon()

    async def run(self) -> None:
        """Commit group after group until stopped, the last changes included."""
        while not self._stopping or self._work.is_set():
            await self._work.wait()
            await self._gather()
            self._work.clear()
            self._urgent.clear()
            self._awaited.clear()
            changes, self.changes = self.changes, Changes()
            await self._commit(changes)

    async def _gather(self) -> None:
        """Let a group grow: a little, for a second when nothing shows it, and hardly when somebody waits for it.

        What comes while a group is stored makes the next one, so many who wait share a commit all the same.
        """
        if not self._urgent.is_set():
            try:
                async with asyncio.timeout(_LAZY_SECONDS):
                    await self._urgent.wait()
            except TimeoutError:
                return
        if self._awaited.is_set():
            # Whoever came in the same turn of the loop gets into the group too.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        elif not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GROUP_SECONDS):
                    await self._awaited.wait()

    async def _commit(self, changes: Changes) -> None:
        now = self._clock.now()
        layout, sums = self.totals.layout, self.totals.sum_up(changes.tally)
        slices = self.windows.sum_up(changes.tally.windows.items(), now)
        batch = Batch(
            accepted=changes.accepted,
            progressed=[self._row_of(slot) for slot in changes.progressed],
            removed=changes.removed,
            finished=changes.finished,
            totals=self.totals.rows(sums, now),
            windows=self.windows.rows(slices),
            forget_windows_before=self._outdated(now),
            positions=list(starmap(PositionRow, changes.positions.items())),
            notes=[NoteRow(seq, kind, body) for (seq, kind), body in changes.notes.items()],
        )
        await self._store(batch)
        self.totals.publish(sums, layout, self._clock.now())
        if changes.tally.exemplars and layout is self.totals.layout:
            self.totals.illustrate(changes.tally.exemplars, self._clock.now())
        self.windows.publish(slices)
        for key, by in changes.tally.gauges.items():
            self.gauges[key] = self.gauges.get(key, 0) + by
        for then in changes.then:
            then()

    def _outdated(self, now: float) -> float:
        """Return the time before which slices are deleted with this group, 0.0 when the last ones were just now."""
        oldest_at = self.windows.oldest_at(now)
        if abs(oldest_at - self._forgotten_before) < _FORGET_EVERY_SECONDS:
            return 0.0
        self._forgotten_before = oldest_at
        return oldest_at

    async def _store(self, batch: Batch) -> None:
        """Store one group, trying until it is stored: nothing later can be shown before it."""
        while True:
            started_at = self._clock.now()
            # Before each attempt: whoever reads all that is remembered meanwhile sees what this one stores, or is told.
            self.recall.add((row.account, row.id) for row in batch.finished)
            try:
                await self._writer.call(lambda store: store.commit(batch))
            except StoreError as error:
                self._failed(str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.meter.commits.observe(max(0.0, self._clock.now() - started_at))
                self._worked()
                return

    def _failed(self, why: str) -> None:
        self.meter.errors += 1
        if self.meter.problem is None:
            _log.error("the store does not work; polling waits until it does: %s", why)
        self.meter.problem = why
        self.on_health()

    def _worked(self) -> None:
        if self.meter.problem is not None:
            _log.info("the store works again")
            self.meter.problem = None
            self.on_health()

"""A store around another one, whose commits fail or wait when a test says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from exporter.store import Batch, FinishedRow, InFlightRow, Store, StoreError, TotalRow, WindowRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class WeakStore:
    """A store whose commits fail or wait when a test says so."""

    def __init__(self, store: Store) -> None:
        self.fails = 0
        """So many commits fail before they change anything."""
        self.fails_late = 0
        """So many commits fail after they have become durable."""
        self.fails_reading = False
        """Looking messages up fails."""
        self.fails_forgetting = False
        """Forgetting fails."""
        self.open = threading.Event()
        """Commits wait while it is cleared."""
        self.unreadable = False
        """The latest finished messages cannot be read."""
        self.open.set()
        self.entered = threading.Event()
        """Set when a commit begins."""
        self.batches: list[Batch] = []
        """What each attempt was given."""
        self._store = store

    def commit(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.entered.set()
        self.open.wait(10)
        if self.fails:
            self.fails -= 1
            raise StoreError("the disk is full")
        self._store.commit(batch)
        if self.fails_late:
            self.fails_late -= 1
            raise StoreError("the disk went away")

    def in_flight(self, chunk: int) -> Iterator[list[InFlightRow | tuple[object, ...]]]:
        return self._store.in_flight(chunk)

    def count(self) -> int:
        return self._store.count()

    def last_seq(self) -> int:
        return self._store.last_seq()

    def totals(self) -> Iterator[TotalRow]:
        return self._store.totals()

    def windows(self) -> Iterator[WindowRow]:
        return self._store.windows()

    def positions(self) -> dict[str, str]:
        return self._store.positions()

    def notes(self, kind: str) -> dict[int, str]:
        return self._store.notes(kind)

    def remembered(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        if self.fails_reading:
            raise StoreError("the disk is gone")
        return self._store.remembered(keys)

    def count_finished(self) -> int:
        return self._store.count_finished()

    def finished_keys(self, after: int, limit: int) -> tuple[list[tuple[str, str]], int | None]:
        if self.fails_reading:
            raise StoreError("the disk is gone")
        return self._store.finished_keys(after, limit)

    def finished(self, account: str, message_id: str) -> FinishedRow | None:
        return self._store.finished(account, message_id)

    def latest_finished(self, limit: int) -> list[FinishedRow]:
        if self.unreadable:
            raise StoreError("the disk is gone")
        return self._store.latest_finished(limit)

    def relist(self, listed: Collection[tuple[str, str]]) -> None:
        self._store.relist(listed)

    def forget(self, before: float, limit: int) -> int:
        if self.fails_forgetting:
            raise StoreError("the disk is gone")
        return self._store.forget(before, limit)

    def close(self) -> None:
        self._store.close()

"""The store that keeps everything in this process and forgets it with the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from exporter.store import Batch, FinishedRow, InFlightRow, TotalRow, WindowRow

Key = TypeVar("Key")


@dataclass(slots=True)
class MemoryStore:
    """Does what SqliteStore does, as long as the process lives."""

    _in_flight: dict[int, InFlightRow] = field(default_factory=dict, init=False)
    _last_seq: int = field(default=0, init=False)
    _finished: dict[tuple[str, str], FinishedRow] = field(default_factory=dict, init=False)
    """In order of ending."""
    _totals: dict[tuple[str, str], TotalRow] = field(default_factory=dict, init=False)
    _windows: dict[tuple[str, str, float], WindowRow] = field(default_factory=dict, init=False)
    _positions: dict[str, str] = field(default_factory=dict, init=False)
    _notes: dict[tuple[int, str], str] = field(default_factory=dict, init=False)

    def in_flight(self, chunk: int) -> Iterator[list[InFlightRow | tuple[object, ...]]]:
        """Yield every message in flight, by sequence number, in lists of at most `chunk` rows."""
        rows = [row for _, row in sorted(self._in_flight.items())]
        for start in range(0, len(rows), chunk):
            yield [*rows[start : start + chunk]]

    def count(self) -> int:
        """Count the messages in flight."""
        return len(self._in_flight)

    def last_seq(self) -> int:
        """Return the highest sequence number ever given out, 0 in a new store."""
        return self._last_seq

    def totals(self) -> Iterator[TotalRow]:
        """Yield every stored total."""
        return iter(list(self._totals.values()))

    def windows(self) -> Iterator[WindowRow]:
        """Yield every stored slice."""
        return iter(list(self._windows.values()))

    def positions(self) -> dict[str, str]:
        """Return how far each source of messages has been read, by its key."""
        return dict(self._positions)

    def notes(self, kind: str) -> dict[int, str]:
        """Return the notes of a kind, by the sequence number of their message."""
        return {seq: body for (seq, own), body in self._notes.items() if own == kind}

    def remembered(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those (account, id) pairs that ended and are still remembered."""
        return {key for key in keys if key in self._finished}

    def finished(self, account: str, message_id: str) -> FinishedRow | None:
        """Return one remembered message."""
        return self._finished.get((account, message_id))

    def latest_finished(self, limit: int) -> list[FinishedRow]:
        """Return at most `limit` remembered messages, the one that ended last first."""
        return list(islice(reversed(self._finished.values()), limit))

    def count_finished(self) -> int:
        """Return how many messages are remembered."""
        return len(self._finished)

    def finished_keys(self, after: int, limit: int) -> tuple[list[tuple[str, str]], int | None]:
        """Return account and id of every remembered message at once."""
        del after, limit
        return list(self._finished), None

    def commit(self, batch: Batch) -> None:
        """Take the batch over."""
        self._put_in_flight(batch)
        for row in batch.finished:
            self._finished.pop((row.account, row.id), None)
            self._finished[row.account, row.id] = row
        self._totals.update({(row.metric, row.labels): row for row in batch.totals})
        self._windows.update({(row.metric, row.labels, row.slice_at): row for row in batch.windows})
        for key in [key for key in self._windows if key[2] < batch.forget_windows_before]:
            del self._windows[key]
        _put_each(self._positions, batch.positions)
        _put_each(self._notes, (((note.seq, note.kind), note.body) for note in batch.notes))

    def relist(self, listed: Collection[tuple[str, str]]) -> None:
        """Mark exactly these (account, id) pairs among the finished ones as listed."""
        wanted = frozenset(listed)
        for key, row in self._finished.items():
            self._finished[key] = row._replace(listed=int(key in wanted))

    def forget(self, before: float, limit: int) -> int:
        """Delete those of the `limit` oldest unlisted finished messages that ended before; return how many."""
        oldest = islice((row for row in self._finished.values() if not row.listed), limit)
        old = [(row.account, row.id) for row in oldest if row.finished_at < before]
        for key in old:
            del self._finished[key]
        return len(old)

    def close(self) -> None:
        """Let go of nothing: what is here goes with the process."""

    def _put_in_flight(self, batch: Batch) -> None:
        self._in_flight.update({row.seq: row for row in batch.accepted})
        self._last_seq = max(self._last_seq, *(row.seq for row in batch.accepted), 0)
        for row in batch.progressed:
            known = self._in_flight.get(row.seq)
            if known is not None:
                self._in_flight[row.seq] = known._replace(**row._asdict())
        for seq in batch.removed:
            self._in_flight.pop(seq, None)


def _put_each(kept: dict[Key, str], rows: Iterable[tuple[Key, str | None]]) -> None:
    for key, text in rows:
        if text is None:
            kept.pop(key, None)
        else:
            kept[key] = text

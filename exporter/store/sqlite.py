"""The store in one SQLite file, which survives kill -9 and loss of power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from exporter.store import FinishedRow, TotalRow, WindowRow
from exporter.store import statements as sql
from exporter.store.database import Database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from exporter.store import Batch, InFlightRow, NoteRow, PositionRow


class SqliteStore:
    """Keeps everything in a file that nobody else may open meanwhile.

    The constructor opens it, and raises StoreRefusedError for a file that is damaged, from a newer version or in use.
    After an error the next call opens it again, so the store goes on by itself when the disk is back.

    `at` is a fault hook for tests: commit calls it with "begun", "written" and "committed" as it passes these points,
    so that a test can kill the process there.
    """

    def __init__(self, path: Path, *, at: Callable[[str], None] | None = None) -> None:
        self._database = Database(path)
        self._at = at or _pass_by
        self._all_listed_up_to = 0

    def in_flight(self, chunk: int) -> Iterator[list[InFlightRow | tuple[object, ...]]]:
        """Yield every message in flight; plain tuples, because a million named ones take twice as long."""
        for rows in self._database.read_by(chunk, sql.IN_FLIGHT):
            yield [*rows]

    def count(self) -> int:
        """Count the messages in flight."""
        return int(self._database.read(sql.COUNT)[0][0])

    def last_seq(self) -> int:
        """Return the highest sequence number ever given out, 0 in a new store."""
        return int(self._database.read(sql.LAST_SEQ)[0][0])

    def totals(self) -> Iterator[TotalRow]:
        """Yield every stored total."""
        return map(TotalRow._make, self._database.read(sql.TOTALS))

    def windows(self) -> Iterator[WindowRow]:
        """Yield every stored slice."""
        return map(WindowRow._make, self._database.read(sql.WINDOWS))

    def positions(self) -> dict[str, str]:
        """Return how far each source of messages has been read, by its key."""
        return dict(self._database.read(sql.POSITIONS))

    def notes(self, kind: str) -> dict[int, str]:
        """Return the notes of a kind, by the sequence number of their message."""
        return dict(self._database.read(sql.NOTES, (kind,)))

    def remembered(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those (account, id) pairs that ended and are still remembered."""
        wanted = list(keys)
        places = msgspec.json.decode(self._database.read(sql.REMEMBERED, (_json(wanted),))[0][0], type=list[int])
        return {wanted[place] for place in places}

    def finished(self, account: str, message_id: str) -> FinishedRow | None:
        """Return one remembered message."""
        rows = self._database.read(sql.FINISHED, (account, message_id))
        return FinishedRow._make(rows[0]) if rows else None

    def latest_finished(self, limit: int) -> list[FinishedRow]:
        """Return at most `limit` remembered messages, the one that ended last first."""
        return list(map(FinishedRow._make, self._database.read(sql.LATEST_FINISHED, (limit,))))

    def count_finished(self) -> int:
        """Return about how many messages are remembered."""
        return int(self._database.read(sql.COUNT_FINISHED)[0][0])

    def finished_keys(self, after: int, limit: int) -> tuple[list[tuple[str, str]], int | None]:
        """Return account and id of at most `limit` remembered messages, and where to go on; None at the end."""
        rows = self._database.read(sql.FINISHED_KEYS, (after, limit))
        return [row[:2] for row in rows], rows[-1][2] if len(rows) == limit else None

    def commit(self, batch: Batch) -> None:
        """Store the batch durably, or raise StoreError and store none of it.

        It only writes absolute values by key, so that repeating a batch is safe even when the failure was reported
        after the transaction had become durable.
        """
        with self._database.transaction() as connection:
            self._at("begun")
            _write(connection, batch)
            self._at("written")
        self._at("committed")

    def relist(self, listed: Collection[tuple[str, str]]) -> None:
        """Mark exactly these (account, id) pairs among the finished ones as listed."""
        keys = (_json(list(listed)),)
        with self._database.transaction() as connection:
            connection.execute(sql.UNLIST, keys)
            connection.execute(sql.LIST, keys)
        self._all_listed_up_to = 0

    def forget(self, before: float, limit: int) -> int:
        """Delete those of the `limit` oldest unlisted finished messages that ended before; return how many."""
        start = self._all_listed_up_to
        with self._database.transaction() as connection:
            forgotten = connection.execute(sql.FORGET, (before, start, limit)).rowcount
            start = connection.execute(sql.ALL_LISTED_UP_TO, (start,)).fetchone()[0]
        self._all_listed_up_to = start
        return forgotten

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self._database.close()


def _write(connection: sqlite3.Connection, batch: Batch) -> None:
    if batch.accepted:
        sql.PUT_IN_FLIGHT.run(connection, batch.accepted)
        connection.execute(sql.NUMBER_UP_TO, (max(row.seq for row in batch.accepted),))
    # An UPDATE from several rows of one message would take any of them: keep the last.
    sql.PUT_PROGRESS.run(connection, list({row.seq: row for row in batch.progressed}.values()))
    if batch.removed:
        connection.execute(sql.REMOVE_IN_FLIGHT, (_json(batch.removed),))
    sql.PUT_FINISHED.run(connection, batch.finished)
    sql.PUT_TOTALS.run(connection, batch.totals)
    sql.PUT_WINDOWS.run(connection, batch.windows)
    _write_each(connection, batch.positions, sql.PUT_POSITION, sql.FORGET_POSITION)
    _write_each(connection, batch.notes, sql.PUT_NOTE, sql.FORGET_NOTE)
    if batch.forget_windows_before:
        connection.execute(sql.FORGET_WINDOWS, (batch.forget_windows_before,))


def _write_each(connection: sqlite3.Connection, rows: Sequence[PositionRow | NoteRow], put: str, forget: str) -> None:
    """Put few rows, which end with a text, or forget those where there is none."""
    for row in rows:
        if row[-1] is None:
            connection.execute(forget, row[:-1])
        else:
            connection.execute(put, row)


def _json(value: Sequence[object]) -> str:
    return msgspec.json.encode(value).decode()


def _pass_by(_point: str) -> None:
    """Let commit pass, where no test wants it to stop."""

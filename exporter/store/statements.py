"""The SQL of the store, in statements that handle a whole list of rows in one step."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from exporter.store import FinishedRow, InFlightRow, ProgressRow, TotalRow, WindowRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_MOST_ROWS: Final = 512
"""Rows in one statement: their values stay below SQLite's 32,766 parameters, prepared statements below a megabyte."""


class ManyRows:
    """A statement over rows of values, run in few steps.

    Python gives up its global lock around every step of SQLite, and waits up to 5 ms for it when the event loop is
    busy; executemany takes a step a row. One step takes up to 512 rows here. Rows of NULL fill a list up to the
    next power of two, so that few statements are prepared; the SQL skips them.
    """

    def __init__(self, sql: str, columns: int) -> None:
        self._columns = columns
        self._sql = sql

    def run(self, connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Run it for all rows, in their order."""
        for start in range(0, len(rows), _MOST_ROWS):
            chunk = rows[start : start + _MOST_ROWS]
            size = 1 << (len(chunk) - 1).bit_length()
            values = list(chain.from_iterable(chunk))
            values.extend([None] * (self._columns * size - len(values)))
            connection.execute(self._for_rows(size), values)

    @cache  # noqa: B019 (the statements live as long as the process)
    def _for_rows(self, count: int) -> str:
        row = f"({', '.join('?' * self._columns)})"
        return self._sql.replace("(VALUES)", f"(VALUES {', '.join([row] * count)})")


_REPLACE: Final = "INSERT OR REPLACE INTO {table} ({names}) SELECT * FROM (VALUES) WHERE column1 IS NOT NULL"
_PROGRESS: Final = "UPDATE in_flight SET {changes} FROM (VALUES) AS new WHERE in_flight.seq = new.column1"


def _replace_into(table: str, fields: tuple[str, ...]) -> ManyRows:
    return ManyRows(_REPLACE.format(table=table, names=", ".join(fields)), len(fields))


def _progress(fields: tuple[str, ...]) -> ManyRows:
    changes = ", ".join(f"{name} = new.column{place}" for place, name in enumerate(fields[1:], start=2))
    return ManyRows(_PROGRESS.format(changes=changes), len(fields))


PUT_IN_FLIGHT: Final = _replace_into("in_flight", InFlightRow._fields)
PUT_PROGRESS: Final = _progress(ProgressRow._fields)
PUT_FINISHED: Final = _replace_into("finished", FinishedRow._fields)
"""A row that is put again moves to the end: finished stays in order of ending."""
PUT_TOTALS: Final = _replace_into("totals", TotalRow._fields)
PUT_WINDOWS: Final = _replace_into("windows", WindowRow._fields)

REMOVE_IN_FLIGHT: Final = "DELETE FROM in_flight WHERE seq IN (SELECT value FROM json_each(?))"
NUMBER_UP_TO: Final = "UPDATE numbering SET last_seq = max(last_seq, ?)"
FORGET_WINDOWS: Final = "DELETE FROM windows WHERE slice_at < ?"

PUT_POSITION: Final = "INSERT OR REPLACE INTO positions (key, text) VALUES (?, ?)"
FORGET_POSITION: Final = "DELETE FROM positions WHERE key = ?"

PUT_NOTE: Final = "INSERT OR REPLACE INTO notes (seq, kind, body) VALUES (?, ?, ?)"
FORGET_NOTE: Final = "DELETE FROM notes WHERE seq = ? AND kind = ?"

COUNT: Final = "SELECT count(*) FROM in_flight"
LAST_SEQ: Final = "SELECT last_seq FROM numbering"
IN_FLIGHT: Final = """
    SELECT seq, account, id, channel, labels, sent_at, accepted_at, ttl, traceparent,
        status, seen, in_flight_at, answered_at, other_at, flags, polls
    FROM in_flight ORDER BY seq"""
TOTALS: Final = "SELECT metric, labels, value, touched_at FROM totals"
POSITIONS: Final = "SELECT key, text FROM positions"
NOTES: Final = "SELECT seq, body FROM notes WHERE kind = ?"
WINDOWS: Final = "SELECT metric, labels, slice_at, value FROM windows"
FINISHED: Final = "SELECT account, id, finished_at, listed, body FROM finished WHERE account = ? AND id = ?"
LATEST_FINISHED: Final = "SELECT account, id, finished_at, listed, body FROM finished ORDER BY rowid DESC LIMIT ?"

COUNT_FINISHED: Final = """
    SELECT coalesce((SELECT max(rowid) FROM finished) - (SELECT min(rowid) FROM finished) + 1, 0)"""
"""At most so many: rows that are put again leave gaps. Counting them would read them all."""
FINISHED_KEYS: Final = "SELECT account, id, rowid FROM finished WHERE rowid > ? ORDER BY rowid LIMIT ?"

REMEMBERED: Final = """
    SELECT json_group_array(wanted.key)
    FROM json_each(?) AS wanted CROSS JOIN finished
    ON finished.account = json_extract(wanted.value, '$[0]')
    AND finished.id = json_extract(wanted.value, '$[1]')"""
"""Which of a JSON list of pairs are there, as a JSON list of their places: one row, so one step."""

UNLIST: Final = """
    UPDATE finished SET listed = 0 WHERE listed = 1 AND (account, id) NOT IN
    (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""
LIST: Final = """
    UPDATE finished SET listed = 1 WHERE listed = 0 AND rowid IN (
        SELECT finished.rowid FROM json_each(?) AS wanted CROSS JOIN finished
        ON finished.account = json_extract(wanted.value, '$[0]')
        AND finished.id = json_extract(wanted.value, '$[1]'))"""

FORGET: Final = """
    DELETE FROM finished WHERE finished_at < ? AND rowid IN (
        SELECT rowid FROM finished WHERE rowid > ? AND listed = 0 ORDER BY rowid LIMIT ?)"""
ALL_LISTED_UP_TO: Final = """
    SELECT coalesce(
        (SELECT rowid - 1 FROM finished WHERE rowid > ? AND listed = 0 ORDER BY rowid LIMIT 1),
        (SELECT max(rowid) FROM finished),
        0)"""
"""The rowid below which every finished message is listed, given an earlier one."""

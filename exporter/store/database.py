"""One SQLite connection: reads, transactions, and opening it again after an error."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

from exporter.store.failures import store_error
from exporter.store.opening import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Database:
    """The store's file; every SQLite error becomes a StoreError.

    An error closes the connection, which rolls back what was not committed, and the next call opens it again with the
    same checks: a connection that met an I/O error is not trusted further.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = open_database(path)

    def read(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self._guarded() as connection:
            return connection.execute(sql, values).fetchall()

    def read_by(self, chunk: int, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield all rows of a query, so many at a time."""
        with self._guarded() as connection:
            cursor = connection.execute(sql)
            while rows := cursor.fetchmany(chunk):
                yield rows

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what the block does, or none of it when it raises."""
        with self._guarded() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Write the log back into the file and let go of it; calling it again does nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        if self._connection is None:
            self._connection = open_database(self._path)
        try:
            yield self._connection
        except sqlite3.Error as error:
            self.close()
            raise store_error(self._path, error) from None
        except BaseException:
            self.close()
            raise

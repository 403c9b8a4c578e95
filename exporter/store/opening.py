"""Opens the SQLite file of a store, creates it when it is new, and refuses one that is not ours to use."""

from __future__ import annotations

import os
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, Final

from exporter.store.failures import damaged, refused, store_error, unavailable

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID: Final = 0x534D5342
SCHEMA_VERSION: Final = 1

_TABLES: Final = frozenset({"in_flight", "finished", "totals", "windows", "numbering", "positions", "notes"})
_OLDEST_SQLITE: Final = (3, 37, 0)
"""The first with STRICT tables; UPDATE FROM and JSON came earlier."""
_SMALLEST_PAGE: Final = 512
_BUSY_SECONDS: Final = 0.1
_PRAGMAS: Final = (
    # Before the first access: the file is ours alone from then on, and there is no -shm file.
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -4096",  # KiB
    # Polls touch rows all over the table: a longer log writes each page back less often, 16 MiB are read back fast.
    "PRAGMA wal_autocheckpoint = 4096",  # pages of 4 KiB
    "PRAGMA journal_size_limit = 16777216",
)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the store's file in autocommit mode, locked for this connection alone; StoreError says why not.

    Only its schema is checked: reading all of a large file would double the time to start. Damage further in
    is found when a row is read.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise unavailable(path, f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or newer is needed")
    try:
        _check_place(path)
    except OSError as error:  # a directory on the way that may not be entered
        raise unavailable(path, os.strerror(error.errno or 0)) from None
    connection: sqlite3.Connection | None = None
    opened = False
    try:
        connection = sqlite3.connect(
            path.absolute(), timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        _prepare(connection, path)
        opened = True
    except sqlite3.Error as error:
        raise store_error(path, error) from None
    finally:
        if connection is not None and not opened:
            connection.close()
    return connection


def _check_place(path: Path) -> None:
    """Catch what SQLite reports unclearly, or takes for a new database; looks at the file, never opens it.

    Opening and closing it here would drop the locks that this process holds on it.
    """
    parent = path.absolute().parent
    if not parent.is_dir():
        raise unavailable(path, f"there is no directory {parent}; create it, or mount a volume there")
    may_look = _writable(parent, os.X_OK)
    if may_look and path.is_dir():
        raise unavailable(path, "it is a directory; name a file in it")
    if not may_look or not _writable(parent, os.W_OK):
        raise unavailable(path, f"the directory {parent} is not writable; make it so, or mount a volume there")
    if path.exists() and not _writable(path, os.W_OK):
        # SQLite would open it to read, and report a failed lock.
        raise unavailable(path, "the file or its file system is read-only; make it writable")
    size = _size(path)
    if 0 < size < _SMALLEST_PAGE:
        # SQLite takes a file of one byte for an empty database.
        raise damaged(path, f"{size} bytes long")
    if size == 0 and _size(_log(path)) > 0:
        # SQLite would delete the log, and with it what was committed last.
        raise damaged(path, "the file is empty or gone, and its -wal file is not")


def _writable(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    new = _is_new(connection, path)
    mode = _number_or_name(connection, "journal_mode = WAL")
    if mode != "wal":
        raise unavailable(path, f"its file system allows no write-ahead log (journal mode {mode})")
    if new:
        connection.executescript(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether the database is empty; raise unless it is, or is a store of this version."""
    application = _number_or_name(connection, "application_id")
    version = _number_or_name(connection, "user_version")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables and application == version == 0:
        return True
    if application != APPLICATION_ID:
        raise refused(path, "belongs to another application; name another file")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise refused(
            path,
            f"was written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}); "
            "use that version, or move the file away to start again",
        )
    if version != SCHEMA_VERSION or not tables >= _TABLES:
        raise damaged(path, f"schema {version} is incomplete")
    _check_end(connection, path)
    return False


def _check_end(connection: sqlite3.Connection, path: Path) -> None:
    """Catch a last page that is cut short, which SQLite fills up with zeros; pages may be in the log only."""
    pages = _number_or_name(connection, "page_count")
    page_size = _number_or_name(connection, "page_size")
    if _size(_log(path)) == 0 and _size(path) < int(pages) * int(page_size):
        raise damaged(path, "its end is missing")


def _number_or_name(connection: sqlite3.Connection, pragma: str) -> int | str:
    value: int | str = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value

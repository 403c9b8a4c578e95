"""What SQLite's errors mean for the store, and what its user can do about them."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from exporter.store import StoreError, StoreRefusedError

if TYPE_CHECKING:
    from pathlib import Path

_START_AGAIN: Final = "restore it, or move it away (with its -wal file) to start again without its messages and totals"

_REFUSALS: Final = {
    sqlite3.SQLITE_BUSY: "is in use by another process, or twice by this one; give each exporter its own file",
    sqlite3.SQLITE_LOCKED: "is in use by another process, or twice by this one; give each exporter its own file",
    sqlite3.SQLITE_CORRUPT: f"is damaged; {_START_AGAIN}",
    sqlite3.SQLITE_NOTADB: f"is damaged, or no SQLite database at all; {_START_AGAIN}",
}
_TROUBLES: Final = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its file system is read-only",
    sqlite3.SQLITE_IOERR: "the disk reports an I/O error",
    sqlite3.SQLITE_IOERR_LOCK: "the file cannot be locked; its file system has no locks, or it is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; make its directory writable, or mount a volume there",
    sqlite3.SQLITE_PERM: "access to the file is denied",
    sqlite3.SQLITE_NOMEM: "out of memory",
}


def refused(path: Path, why: str) -> StoreRefusedError:
    """Return the error that says why the file must not be used."""
    return StoreRefusedError(f"the store {path} {why}")


def damaged(path: Path, what: str) -> StoreRefusedError:
    """Return the error for a file that SQLite would accept and we do not."""
    return refused(path, f"is damaged ({what}); {_START_AGAIN}")


def unavailable(path: Path, why: str) -> StoreError:
    """Return the error for a store that cannot work as things are."""
    return StoreError(f"the store {path} cannot be used: {why}")


def store_error(path: Path, error: sqlite3.Error) -> StoreError:
    """Translate an error of SQLite's; raise the result `from None`, because the original may quote rows."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Python's own, without a code: text that is not UTF-8 (quoted in full), or a wrong call.
        undecodable = str(error).startswith("Could not decode")
        return damaged(path, "text that is not UTF-8") if undecodable else unavailable(path, type(error).__name__)
    primary = code & 0xFF
    if primary in _REFUSALS:
        return refused(path, _REFUSALS[primary])
    trouble = _TROUBLES.get(code) or _TROUBLES.get(primary) or str(error)
    return unavailable(path, f"{trouble} ({error.sqlite_errorname})")

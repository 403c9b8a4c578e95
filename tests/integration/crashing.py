"""Runs the exporter as `serve` does and kills it inside a commit: python -m tests.integration.crashing POINT COMMIT.

POINT is where in the commit ("begun", "written", "committed"), COMMIT which one that gets there is the last.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import logs
from exporter.app import App, serve
from exporter.clock import SystemClock
from exporter.config import load
from exporter.store.sqlite import SqliteStore
from exporter.web.addresses import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Config, StoreConfig
    from exporter.store import Store

_FILE: Final = Path("config.yaml")


def fuse(point: str, last: int) -> Callable[[str], None]:
    """Return a hook that kills this process when the last commit gets to the point."""
    commits = count(1)

    def pass_by(here: str) -> None:
        if here == point and next(commits) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return pass_by


def _load() -> Config:
    return load(_FILE, os.environ)


async def main(point: str, last: int) -> None:
    """Serve on a free port until the fuse blows."""

    def open_store(config: StoreConfig) -> Store:
        return SqliteStore(config.path, at=fuse(point, last))

    app = App(_load(), _load, open_store)
    await serve(app, SystemClock(), Address("127.0.0.1", 0), lifecycle_enabled=False)


if __name__ == "__main__":
    logs.setup("info", "logfmt", sys.stderr)
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

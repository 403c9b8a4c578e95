"""Runs the exporter as `serve` does, and stops the store's thread inside a commit, so that it can be killed there.

python -m tests.integration.halting POINT COMMIT: POINT is where in the commit ("begun", "written", "committed"), COMMIT
which one that gets there is the last. Everything else goes on, scrapes too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter import logs
from exporter.app import App
from exporter.clock import SystemClock
from exporter.config import load
from exporter.serving import Addresses, WebFlags, serve
from exporter.store.sqlite import SqliteStore
from exporter.web.addresses import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Config, StoreConfig
    from exporter.store import Store

HALTED: Final = "halted inside a commit"
_FILE: Final = Path("config.yaml")


def halt_at(point: str, last: int) -> Callable[[str], None]:
    """Return a hook that says so and never returns when the last commit gets to the point."""
    commits = count(1)

    def pass_by(here: str) -> None:
        if here == point and next(commits) == last:
            logging.getLogger(__name__).warning(HALTED)
            threading.Event().wait()

    return pass_by


def _load() -> Config:
    return load(_FILE, os.environ)


async def main(point: str, last: int) -> None:
    """Serve on a free port until somebody kills this process."""

    def open_store(config: StoreConfig) -> Store:
        return SqliteStore(config.path, at=halt_at(point, last))

    app = App(_load(), _load, open_store)
    loopback = Address("127.0.0.1", 0)
    addresses = Addresses(web=loopback, api=loopback, webhook=loopback)
    await serve(app, SystemClock(), addresses, WebFlags(lifecycle_enabled=False, config_file=None))


if __name__ == "__main__":
    logs.setup("info", "logfmt", sys.stderr)
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

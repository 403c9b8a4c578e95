"""The one thread that calls the store, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from exporter.store import Store, StoreError

_R = TypeVar("_R")


class Writer:
    """Runs calls to a store one after the other."""

    def __init__(self, store: Store) -> None:
        """Take over a store that nobody else calls from now on."""
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def call(self, work: Callable[[Store], _R]) -> _R:
        """Return what the work returns, or raise what it raises (StoreError when the store does not work)."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self._thread, work, self._store)
        except RuntimeError:
            raise StoreError("the store is closed") from None
        return await done

    async def close(self) -> None:
        """Let the store go once all earlier calls are done."""
        await self.call(lambda store: store.close())
        self._thread.shutdown(wait=False)

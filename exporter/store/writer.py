"""The one thread that calls the store, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from exporter.store import Store, StoreError

if TYPE_CHECKING:
    from concurrent.futures import Executor

_R = TypeVar("_R")
_Call = tuple[Callable[[Store], Any], Store, asyncio.Future[Any]]
_END: Final = None


class Writer:
    """Runs calls to a store one after the other."""

    def __init__(self, store: Store) -> None:
        """Take over a store that nobody else calls from now on."""
        self._store = store
        self._thread = _Thread()

    async def call(self, work: Callable[[Store], _R]) -> _R:
        """Return what the work returns, or raise what it raises (StoreError when the store does not work)."""
        # asyncio takes a future of its own from an executor as it is.
        thread = cast("Executor", self._thread)
        return await asyncio.get_running_loop().run_in_executor(thread, work, self._store)

    async def close(self) -> None:
        """Let the store go once all earlier calls are done."""
        await self.call(lambda store: store.close())
        self._thread.end()


class _Thread:
    """An executor of one thread; with the futures of `concurrent.futures` each call would take three times as long."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ended = False

    def submit(self, work: Callable[[Store], Any], store: Store) -> asyncio.Future[Any]:
        if self._ended:
            raise StoreError("the store is closed")
        if self._thread is None:
            # The process may end while the store hangs: nobody was told of what is not stored then.
            self._thread = threading.Thread(target=self._run, name="store", daemon=True)
            self._thread.start()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.put((work, store, answer))
        return answer

    def _run(self) -> None:
        while (call := self._calls.get()) is not _END:
            work, store, answer = call
            if answer.cancelled():
                continue
            result: object = None
            error: Exception | None = None
            try:
                result = work(store)
            except Exception as raised:  # noqa: BLE001 (it is the caller's)
                error = raised
            # In a loop that is closed nobody waits any more.
            with contextlib.suppress(RuntimeError):
                answer.get_loop().call_soon_threadsafe(_tell, answer, result, error)

    def end(self) -> None:
        self._ended = True
        self._calls.put(_END)


def _tell(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)

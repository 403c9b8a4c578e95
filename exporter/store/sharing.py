"""Looks things up in the store by key: all who ask while it is busy share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

from exporter.store import Store
from exporter.store.writer import Writer

_K = TypeVar("_K")
_V = TypeVar("_V")


class Sharing(Generic[_K, _V]):
    """One kind of question, asked by one call at a time: thousands of calls a second would be most of the work."""

    def __init__(self, writer: Writer, look: Callable[[Store, list[_K]], _V]) -> None:
        """Take the store's thread, and what answers for many different keys at once."""
        self._writer = writer
        self._look = look
        self._askers: list[tuple[Iterable[_K], asyncio.Future[_V]]] = []
        """Who asked since the last call began."""
        self._busy = False

    async def of(self, keys: Collection[_K]) -> _V:
        """Return an answer that covers these keys, and those of others too; raises StoreError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_V] = loop.create_future()
        self._askers.append((keys, answer))
        if not self._busy:
            self._busy = True
            # Who asks in the same turn of the loop is in time.
            loop.call_soon(self._ask)
        return await answer

    def _ask(self) -> None:
        askers, self._askers = self._askers, []
        keys = list(dict.fromkeys(key for keys, _ in askers for key in keys))
        call = asyncio.ensure_future(self._writer.call(lambda store: self._look(store, keys)))
        call.add_done_callback(lambda done: self._tell([answer for _, answer in askers], done))

    def _tell(self, answers: Iterable[asyncio.Future[_V]], done: asyncio.Future[_V]) -> None:
        self._busy = bool(self._askers)
        if self._busy:
            self._ask()
        for answer in answers:
            if answer.done():
                continue
            if done.cancelled():
                answer.cancel()
            elif (error := done.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result())

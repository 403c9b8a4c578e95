"""Looks up which messages the store remembers: all who ask while it is busy share one call."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from exporter.store.writer import Writer

Key = tuple[str, str]
"""Account and message id."""


class Recall:
    """What the store remembers, asked for by one call at a time."""

    def __init__(self, writer: Writer) -> None:
        """Take the store's thread."""
        self._writer = writer
        self._askers: list[tuple[Iterable[Key], asyncio.Future[AbstractSet[Key]]]] = []
        """Who asked since the last call began."""
        self._busy = False

    async def of(self, keys: Collection[Key]) -> AbstractSet[Key]:
        """Return a set that has those of the keys that are remembered, maybe with others; raises StoreError."""
        if not keys:
            return frozenset()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[AbstractSet[Key]] = loop.create_future()
        self._askers.append((keys, answer))
        if not self._busy:
            self._busy = True
            # Who asks in the same turn of the loop is in time.
            loop.call_soon(self._ask)
        return await answer

    def _ask(self) -> None:
        askers, self._askers = self._askers, []
        keys = list(dict.fromkeys(key for keys, _ in askers for key in keys))
        call = asyncio.ensure_future(self._writer.call(lambda store: store.remembered(keys)))
        call.add_done_callback(lambda done: self._tell([answer for _, answer in askers], done))

    def _tell(self, answers: Iterable[asyncio.Future[AbstractSet[Key]]], done: asyncio.Future[set[Key]]) -> None:
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

"""An event loop in virtual time: where a real one would wait, its clock leaps ahead."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from exporter.store import Store
    from exporter.store.writer import Writer

_R = TypeVar("_R")


class VirtualClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, start_at: float) -> None:
        """Start at a moment, Unix seconds."""
        self.elapsed_seconds = 0.0
        self._start_at = start_at

    def now(self) -> float:
        """Return Unix seconds."""
        return self._start_at + self.elapsed_seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.elapsed_seconds += seconds


class _Leaping:
    """A selector that waits for nothing: it moves the clock instead."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._inner = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after the time that a wait would have taken at most."""
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will happen")
        self._clock.advance(max(0.0, timeout))
        return self._inner.select(0)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def loop_on(clock: VirtualClock) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes an event loop whose time is the clock's; its only I/O may be its own wake-up."""

    def make() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop(cast("selectors.BaseSelector", _Leaping(clock)))
        # Not Unix seconds: those come in steps larger than the loop's resolution, and it would wait for ever.
        loop.time = lambda: clock.elapsed_seconds  # type: ignore[method-assign]
        return loop

    return make


class _InlineWriter:
    """Calls the store at once: a thread would take real time, in which virtual time leaps ahead."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def call(self, work: Callable[[Store], _R]) -> _R:
        """Return what the work returns."""
        return work(self._store)

    async def close(self) -> None:
        """Let the store go."""
        self._store.close()


def inline_writer(store: Store) -> Writer:
    """Return a writer without a thread."""
    return cast("Writer", _InlineWriter(store))

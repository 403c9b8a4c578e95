"""A core at work without HTTP: messages come by admission, answers by the tracker, and time is a number."""

from __future__ import annotations

import asyncio
import functools
import json
import selectors
import threading
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from exporter import settings, view
from exporter.admission import Admitted, Offer
from exporter.config import Config
from exporter.core import Core
from exporter.intake.listed import Listed
from exporter.message import Failure, Observation, PollResult, Reading, StatusReport
from exporter.reading import StatusWords, read
from exporter.store import Batch, FinishedRow, InFlightRow, Store, StoreError, TotalRow, WindowRow
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterator
    from pathlib import Path
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")
START = 1_800_000_000.0
DAY = 86_400.0


class HandClock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


class _NeverWaits(selectors.DefaultSelector):
    """Instead of waiting for a timer, the loop's time jumps to it; only threads at work are waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0
        self.jobs = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.jobs or (timeout is not None and timeout <= 0):
            return super().select(timeout)
        events = super().select(5 if timeout is None else 0)
        if not events:
            if timeout is None:
                raise RuntimeError("everybody waits, and nothing will ever happen")
            self.jumped += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which sleeping takes no time."""

    def __init__(self) -> None:
        self._never_waits = _NeverWaits()
        super().__init__(self._never_waits)

    def time(self) -> float:
        return super().time() + self._never_waits.jumped

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # noqa: ANN401
        self._never_waits.jobs += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)  # type: ignore[arg-type]
        future.add_done_callback(self._job_done)
        return future

    def _job_done(self, _: asyncio.Future[T]) -> None:
        self._never_waits.jobs -= 1


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test in a loop in which sleeping takes no time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class WeakStore:
    """A store whose commits fail or wait when a test says so."""

    def __init__(self, store: Store) -> None:
        self.fails = 0
        """So many commits fail before they change anything."""
        self.fails_late = 0
        """So many commits fail after they have become durable."""
        self.open = threading.Event()
        """Commits wait while it is cleared."""
        self.open.set()
        self.entered = threading.Event()
        """Set when a commit begins."""
        self.batches: list[Batch] = []
        """What each attempt was given."""
        self._store = store

    def commit(self, batch: Batch) -> None:
        self.batches.append(batch)
        self.entered.set()
        self.open.wait(10)
        if self.fails:
            self.fails -= 1
            raise StoreError("the disk is full")
        self._store.commit(batch)
        if self.fails_late:
            self.fails_late -= 1
            raise StoreError("the disk went away")

    def in_flight(self, chunk: int) -> Iterator[list[InFlightRow | tuple[object, ...]]]:
        return self._store.in_flight(chunk)

    def last_seq(self) -> int:
        return self._store.last_seq()

    def totals(self) -> Iterator[TotalRow]:
        return self._store.totals()

    def windows(self) -> Iterator[WindowRow]:
        return self._store.windows()

    def remembered(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        return self._store.remembered(keys)

    def finished(self, account: str, message_id: str) -> FinishedRow | None:
        return self._store.finished(account, message_id)

    def relist(self, listed: Collection[tuple[str, str]]) -> None:
        self._store.relist(listed)

    def forget(self, before: float, limit: int) -> int:
        return self._store.forget(before, limit)

    def close(self) -> None:
        self._store.close()


def account(name: str = "main", **more: object) -> dict[str, object]:
    return {"name": name, "auth": {"method": "header", "api_key": "key"}, **more}


def config(**given: object) -> Config:
    """Return a configuration of one account, in which new series show their value at once."""
    return Config.model_validate({"accounts": [account()], "zero_hold": "0s", **given})


class Lab:
    """One exporter without its edges; kill and start it as often as you like, its store stays."""

    def __init__(self, path: Path | None = None, **given: object) -> None:
        """Keep the store in memory, or in a file of this folder; `given` are settings of the configuration."""
        self.clock = HandClock()
        self.given = given
        self.core: Core
        self.store: WeakStore
        self._path = path
        if path is not None:
            path.mkdir(exist_ok=True)
        self._memory = MemoryStore()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start as the exporter does, without listed messages and pollers."""
        now = config(**self.given)
        self.store = WeakStore(self._memory if self._path is None else SqliteStore(self._path / "state.db"))
        writer = Writer(self.store)
        totals = Totals(settings.layout(now), await writer.call(lambda store: list(store.totals())))
        windows = Windows(now.window, await writer.call(lambda store: list(store.windows())))
        self.core = Core(now, self.clock, writer, totals, windows)
        await self.core.load()
        self.words = StatusWords(now.status_aliases)
        self._committing = asyncio.create_task(self.core.committer.run())

    async def kill(self) -> None:
        """Die as by kill -9: what is not stored is lost."""
        self.store.open.set()
        self._committing.cancel()
        await asyncio.gather(self._committing, return_exceptions=True)
        await self.core.writer.close()

    async def restart(self, **changes: object) -> None:
        """Die and come back, maybe with other settings."""
        await self.kill()
        self.given |= changes
        await self.start()

    def reload(self, **changes: object) -> None:
        """Follow other settings without a restart."""
        self.given |= changes
        self.core.follow(config(**self.given))

    async def become(self, how: str, **changes: object) -> None:
        """Take other settings by "reload" or "restart"."""
        if how == "restart":
            await self.restart(**changes)
        else:
            self.reload(**changes)
            await self.settle()

    async def follow_listed(self) -> None:
        """Track the messages that the configuration lists."""
        core = self.core
        await Listed(core.tracker, core.admission, core.writer).follow(core.config)

    async def settle(self) -> None:
        """Return once everything is stored and shown."""
        done, _ = await asyncio.wait(
            {self._committing, asyncio.ensure_future(self.core.committer.stored())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in done:
            task.result()

    def background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin some work beside the test."""
        return asyncio.create_task(work)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the others work until something holds."""
        for _ in range(10_000):
            if holds():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it never came to hold")

    def advance(self, seconds: float) -> None:
        """Let time pass, and have happen what it brings."""
        self.clock.at += seconds
        self.core.tracker.aging.tick(self.clock.at)

    async def offer(self, *ids: str, source: str = "api", account: str = "main", **fields: Any) -> Admitted:  # noqa: ANN401
        """Offer messages that are alike but for their ids."""
        offers = [Offer(id=each, account=account, **fields) for each in ids]
        return await self.core.admission.offer(offers, source)

    def answer(self, message_id: str, status: str, *, account: str = "main", took: float = 0.0, **more: object) -> None:
        """Poll a message, and be answered 200 with this status and fields; `took` seconds pass meanwhile."""
        body = json.dumps({"messageId": message_id, "deliverystatus": status, **more}).encode()
        self.observe(message_id, read(200, body, message_id, self.words), account=account, took=took)

    def not_found(self, message_id: str, *, account: str = "main") -> None:
        """Poll a message, and be answered 404."""
        self.observe(message_id, read(404, b"", message_id, self.words), account=account)

    def fail(self, message_id: str, code: int | None = 503, *, account: str = "main") -> None:
        """Poll a message, and be answered an error, or nothing at all."""
        reading: Reading = Failure(PollResult.TIMEOUT)
        if code is not None:
            reading = read(code, b"", message_id, self.words)
        self.observe(message_id, reading, account=account)

    def observe(self, message_id: str, reading: Reading, *, account: str = "main", took: float = 0.0) -> None:
        """Do with a reading what the poller does."""
        core, slot = self.core, self.slot(message_id, account)
        desk, seq, started_at = core.plan.desks[account], core.in_flight.seq[slot], self.clock.at
        self.clock.at += took
        now = self.clock.at
        if isinstance(reading, StatusReport):
            desk.found_at = now
        result = core.tracker.apply(slot, seq, Observation(started_at, now, reading), desk)
        understood = not isinstance(reading, Failure)
        desk.meter.count(result, started_at, now, understood=understood)
        if not core.in_flight.ended(slot):
            core.in_flight.polled_at[slot] = now
            core.in_flight.failures[slot] = 0 if understood else 1
            core.plan.enter(slot, now)

    def slot(self, message_id: str, account: str = "main") -> int:
        slot = self.core.in_flight.find(account, message_id)
        assert slot is not None, f"{message_id} is not in flight"
        return slot

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Return what a scrape shows now."""
        families = view.snapshot(self.core, self.clock.at).collect()
        return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]

    def shown(self, name: str, **labels: str) -> float | None:
        """Return the sum of the shown samples with this name and these labels; None when there is none.

        `smsbat_` in front and `_total` behind may be left out.
        """
        names = {name, f"smsbat_{name}", f"smsbat_{name}_total"}
        found = [
            value
            for sample, own, value in self.samples()
            if sample in names and all(own.get(key) == wanted for key, wanted in labels.items())
        ]
        return sum(found) if found else None

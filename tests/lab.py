"""A core at work without HTTP: messages come by admission, answers by the tracker, and time is a number."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Self, TypeVar

from exporter import view
from exporter.admission import Admitted, Offer
from exporter.columns import CLAIMED, ENDED
from exporter.config import Config
from exporter.core import Core
from exporter.intake.listed import Listed
from exporter.message import Failure, Observation, PollResult, Reading, StatusReport
from exporter.reading import StatusWords, read
from exporter.restoring import restored
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore
from tests.virtual_time import HandClock
from tests.weak_store import WeakStore

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from types import TracebackType

    from exporter.clock import Clock

T = TypeVar("T")


def account(name: str = "main", **more: Any) -> dict[str, object]:  # noqa: ANN401
    return {"name": name, "auth": {"method": "header", "api_key": "key"}, **more}


def config(**given: Any) -> Config:  # noqa: ANN401
    """Return a configuration of one account, in which new series show their value at once."""
    return Config.model_validate({"accounts": [account()], "zero_hold": "0s", **given})


class Lab:
    """One exporter without its edges; kill and start it as often as you like, its store stays."""

    def __init__(self, path: Path | None = None, **given: Any) -> None:  # noqa: ANN401
        """Keep the store in memory, or in a file of this folder; `given` are settings of the configuration."""
        self.clock = HandClock()
        self.runs_by: Clock | None = None
        """Another clock for the core, in tests that poll."""
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

    async def start(self, *, place: bool = True) -> None:
        """Start as the exporter does, without listed messages and pollers, maybe before any message has its place."""
        now = config(**self.given)
        self.store = WeakStore(self._memory if self._path is None else SqliteStore(self._path / "state.db"))
        self.core = await restored(now, self.runs_by or self.clock, self.store)
        if place:
            self.place()
        self.words = StatusWords(now.status_aliases)
        self._committing = asyncio.create_task(self.core.committer.run())

    async def kill(self) -> None:
        """Die as by kill -9: what is not stored is lost."""
        self.store.open.set()
        self._committing.cancel()
        await asyncio.gather(self._committing, return_exceptions=True)
        await self.core.writer.close()

    async def restart(self, **changes: Any) -> None:  # noqa: ANN401
        """Die and come back, maybe with other settings."""
        await self.kill()
        self.given |= changes
        await self.start()

    def reload(self, **changes: Any) -> None:  # noqa: ANN401
        """Follow other settings without a restart."""
        self.given |= changes
        self.core.follow(config(**self.given))
        self.place()

    def place(self) -> None:
        """Let every message have its place."""
        while self.core.placing.step(self.core.clock.now()):
            pass

    async def become(self, how: str, **changes: Any) -> None:  # noqa: ANN401
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
        stored = asyncio.create_task(self.core.committer.stored())
        try:
            await asyncio.wait({self._committing, stored}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stored.cancel()
        if self._committing.done():
            self._committing.result()

    def background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin some work beside the test."""
        return asyncio.create_task(work)

    async def wait(self, seconds: float) -> None:
        """Let the others work for so long."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(seconds, over.set_result, None)
        await over

    async def turn(self) -> None:
        """Let everybody who can work now work once."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool], every: float = 0.05) -> None:
        """Let the others work until something holds, looking every so many seconds."""
        for _ in range(10_000):
            if holds():
                return
            await self.wait(every)
        raise AssertionError("it never came to hold")

    def advance(self, seconds: float) -> None:
        """Let time pass, and have happen what it brings."""
        self.clock.at += seconds
        self.core.timekeeper.tick(self.clock.at)

    async def offer(self, *ids: str, source: str = "api", account: str = "main", **fields: Any) -> Admitted:  # noqa: ANN401
        """Offer messages that are alike but for their ids."""
        offers = [Offer(id=each, account=account, **fields) for each in ids]
        return await self.core.admission.offer(offers, source)

    def answer(self, message_id: str, status: str, *, account: str = "main", took: float = 0.0, **more: Any) -> None:  # noqa: ANN401
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
        desk, seq, started_at = core.desks[account], core.in_flight.columns.seq[slot], self.clock.at
        self.clock.at += took
        now = self.clock.at
        if isinstance(reading, StatusReport):
            desk.found_at = now
        result = core.tracker.apply(slot, seq, Observation(started_at, now, reading), desk)
        understood = not isinstance(reading, Failure)
        desk.meter.count(result, started_at, now, understood=understood)
        columns = core.in_flight.columns
        if not columns.has(slot, ENDED):
            columns.polled_at[slot] = now
            heard = understood and not columns.has(slot, CLAIMED)
            columns.failures[slot] = 0 if heard else min(255, columns.failures[slot] + 1)
            core.plan.enter(slot, now)

    def slot(self, message_id: str, account: str = "main") -> int:
        slot = self.core.in_flight.find(account, message_id)
        assert slot is not None, f"{message_id} is not in flight"
        return slot

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Return what a scrape shows now."""
        families = view.snapshot(self.core, self.core.clock.now()).collect()
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

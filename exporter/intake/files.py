"""Follows files of JSON lines: what is written to them is offered, and how far they are read stored with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from exporter.admission import Admission, Admitted, FullError, Offer
from exporter.intake.lines import parse
from exporter.intake.lost import encode
from exporter.intake.tails import Tails, Take
from exporter.intake.wire import UnusableError
from exporter.logs import fields
from exporter.store import StoreError

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.intake.tail import Tail
    from exporter.store.writer import Writer

_log: Final = logging.getLogger(__name__)
_R = TypeVar("_R")
_EVERY_SECONDS: Final = 1.0
_MOST_LINES: Final = 1_000
"""Taken in at once: what the event loop can do without holding up others."""
_MOST_PROBLEMS: Final = 5


class Place(NamedTuple):
    """Where a line stands."""

    tail: Tail
    at: int


class Batch(NamedTuple):
    """Lines of some files that are taken in together."""

    takes: list[Take]
    offers: list[Offer]
    places: list[Place]
    """Of the offers."""
    unusable: list[tuple[Place, str]]
    """Lines that offer nothing, and why."""
    positions: dict[str, str | None]


class Files:
    """Follows the files that the configuration names, from the first configuration on that names any."""

    def __init__(
        self, admission: Admission, writer: Writer, clock: Clock, watch: Callable[[asyncio.Task[None]], None]
    ) -> None:
        """Take the door, the store's thread, and who is told when the task ends."""
        self._admission = admission
        self._writer = writer
        self._clock = clock
        self._watch = watch
        self._globs: tuple[str, ...] = ()
        self._first_account = ""
        self._limit = _MOST_LINES
        self._problems: dict[str, str] = {}
        self._waits: str | None = None
        """Why what is there is not taken in."""
        self._task: asyncio.Task[None] | None = None

    def follow(self, config: Config) -> None:
        """Follow these files from the next look on."""
        self._globs = config.intake.files
        self._first_account = config.accounts[0].name
        if self._globs and self._task is None:
            self._task = asyncio.create_task(self._run(), name="files")
            self._task.add_done_callback(self._watch)

    async def stop(self) -> None:
        """Read no more; what was not stored is read again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        waits = [] if self._waits is None else [f"files wait: {self._waits}"]
        return unreadable(self._problems) + waits

    async def _run(self) -> None:
        tails = Tails(await self._stored())
        try:
            while True:
                all_done = await self._round(tails)
                await asyncio.sleep(_EVERY_SECONDS if all_done else 0)
        finally:
            tails.close()

    async def _stored(self) -> dict[str, str]:
        while True:
            try:
                return await self._writer.call(lambda store: store.positions())
            except StoreError as error:
                _log.error("the files cannot be followed yet", extra=fields(why=str(error)))
                await asyncio.sleep(_EVERY_SECONDS)

    async def _round(self, tails: Tails) -> bool:
        """Take in what is new, as far as it is let in; return whether that was all, and it is time for a pause."""
        look_again_at = asyncio.get_running_loop().time() + _EVERY_SECONDS
        await _in_thread(lambda: tails.scan(self._globs, self._clock.now()))
        more = await self._take_in(tails)
        while more and asyncio.get_running_loop().time() < look_again_at:
            more = await self._take_in(tails)
        await _in_thread(lambda: tails.tidy(self._clock.now()))
        self._tell(tails.problems)
        return not more

    async def _take_in(self, tails: Tails) -> bool:
        """Take one batch in; return whether to go on at once."""
        batch = await _in_thread(lambda: _batch(tails, self._limit, self._first_account))
        if not batch.positions:
            self._waits = None
            return False
        try:
            admitted = await self._admission.offer(
                batch.offers, "file", positions=batch.positions, unusable=len(batch.unusable)
            )
        except (FullError, StoreError) as error:
            tails.put_back(batch.takes)
            return self._refused(error, len(batch.offers))
        self._limit = min(_MOST_LINES, self._limit * 2)
        tails.lost.notes.clear()
        tails.settle(batch.takes, self._clock.now())
        _report(batch, admitted)
        return True

    def _refused(self, error: FullError | StoreError, lines: int) -> bool:
        """Nothing was taken: try fewer lines at once, and a single one again later."""
        if isinstance(error, FullError) and lines > 1:
            self._limit = lines // 2
            return True
        why = "intake.max_in_flight is reached" if isinstance(error, FullError) else str(error)
        if why != self._waits:
            _log.warning("files wait", extra=fields(why=why))
        self._waits = why
        return False

    def _tell(self, problems: dict[str, str]) -> None:
        for path, why in problems.items() - self._problems.items():
            _log.error("a file cannot be read", extra=fields(path=path, why=why))
        self._problems = dict(problems)


def unreadable(problems: Mapping[str, str]) -> list[str]:
    """Say which files cannot be read, a line each, but not of too many."""
    lines = [f"file {path[:200]!r} cannot be read: {why}" for path, why in sorted(problems.items())]
    if len(lines) > _MOST_PROBLEMS:
        lines[_MOST_PROBLEMS:] = [f"{len(lines) - _MOST_PROBLEMS} more files cannot be read"]
    return lines


async def _in_thread(work: Callable[[], _R]) -> _R:
    """Return what the work returns; who is cancelled waits for it, because it uses open files."""
    job = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait({job})
        raise


def _batch(tails: Tails, limit: int, first_account: str) -> Batch:
    """Read the next lines and make them offers."""
    batch = Batch(tails.take(limit), [], [], [], {})
    batch.positions.update(tails.lost.notes)
    for tail, chunk, _ in batch.takes:
        batch.unusable.extend((Place(tail, at), "the line is too long") for at in chunk.too_long)
        for at, line in chunk.lines:
            try:
                batch.offers.append(parse(line, first_account))
            except UnusableError as error:
                batch.unusable.append((Place(tail, at), str(error)))
            else:
                batch.places.append(Place(tail, at))
        batch.positions[tail.key] = encode(chunk.position)
    return batch


def _report(batch: Batch, admitted: Admitted) -> None:
    """Log the first bad line of a file, without what it says."""
    for (tail, at), why in (*batch.unusable, *((batch.places[place], why) for place, why in admitted.rejected)):
        if not tail.reported:
            tail.reported = True
            _log.warning(
                "a line is no message; further ones in this file are only counted",
                extra=fields(path=tail.path, at_byte=at, why=why),
            )

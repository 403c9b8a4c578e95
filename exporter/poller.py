"""Polls one account: takes whose turn it is, asks, and hands what came to the tracker."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

from exporter.client import Client, NoResponse, Response, retry_after_seconds
from exporter.logs import fields
from exporter.message import Failure, NotFound, Observation, PollResult, Reading, StatusReport
from exporter.reading import StatusWords, read

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.due import Turn
    from exporter.plan import Desk
    from exporter.tracker import Tracker

_log: Final = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS: Final = 1.0
_MOST_FAILURES: Final = 255


class Poller:
    """As many workers as there are calls to make at a time; those with nothing to do rest until a timer looks again."""

    def __init__(self, desk: Desk, client: Client, tracker: Tracker, words: StatusWords, clock: Clock) -> None:
        """Take the account's desk and its connection pool."""
        self._desk = desk
        self._client = client
        self._tracker = tracker
        self._words = words
        self._clock = clock
        self._resting: list[asyncio.Future[Turn]] = []
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def run(self) -> None:
        """Poll until cancelled; calls under way are dropped then, and who had a turn must enter the plan again."""
        self._desk.wake = lambda: self._look_at(self._clock.now())
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    self._look(workers)
                    await self._bell.wait()
                    self._bell.clear()
        finally:
            self._desk.wake = lambda: None
            self._desk.budget.active = 0
            self._cancel_timer()

    def _look(self, workers: asyncio.TaskGroup) -> None:
        """Hand out every turn that is due and affordable now."""
        self._cancel_timer()
        if self._desk.budget.refused is not None and self._client.credentials.look(self._clock.now()):
            self._desk.budget.resume()
        while (turn := self._take()) is not None:
            if self._resting:
                self._resting.pop().set_result(turn)
            else:
                workers.create_task(self._work(turn))
        self._arm()

    def _take(self) -> Turn | None:
        """Return the next turn, booked."""
        desk, now = self._desk, self._clock.now()
        if desk.budget.ready_at(now, spare=False) > now:
            return None
        desk.queue.share(desk.budget.per_second, now)
        turn = desk.queue.take(now, spare=desk.budget.ready_at(now, spare=True) <= now)
        if turn is not None:
            desk.budget.start(now)
        return turn

    def _arm(self) -> None:
        """Look again when something can be due and affordable, at least every second while anything waits."""
        desk, now = self._desk, self._clock.now()
        timely, stretched = desk.queue.next_at(now)
        if timely == stretched == math.inf:
            return
        at = min(
            max(timely, desk.budget.ready_at(now, spare=False)),
            max(stretched, desk.budget.ready_at(now, spare=True)),
            now + _LOOK_EVERY_SECONDS,
        )
        self._look_at(at)

    def _look_at(self, at: float) -> None:
        if at < self._timer_at:
            self._cancel_timer()
            delay = max(0.0, at - self._clock.now())
            self._timer_at = at
            self._timer = asyncio.get_running_loop().call_later(delay, self._bell.set)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = None, math.inf

    async def _work(self, turn: Turn) -> None:
        while True:
            await self._poll(turn)
            turn = self._take() or await self._rest()

    async def _rest(self) -> Turn:
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._resting.append(turn)
        self._arm()
        return await turn

    async def _poll(self, turn: Turn) -> None:
        in_flight = self._tracker.in_flight
        slot, seq = turn.slot, in_flight.seq[turn.slot]
        started_at = self._clock.now()
        self._desk.meter.lags.observe(turn.lag_seconds)
        try:
            reading = await self._ask(in_flight.ids[slot], started_at)
            now = self._clock.now()
            result = self._tracker.apply(slot, seq, Observation(started_at, now, reading), self._desk)
        except asyncio.CancelledError:
            if in_flight.seq[slot] == seq:
                in_flight.polled_at[slot] = self._clock.now()
            raise
        except Exception:  # noqa: BLE001 - the one wide except: a bug of ours must not cost the account a worker, nor the message its next poll
            _log.exception("a poll failed in a way that nobody foresaw", extra=fields(account=self._desk.account))
            self._desk.budget.finish(started_at, self._clock.now(), None, None)
            reading, result, now = Failure(PollResult.UNREADABLE), PollResult.UNREADABLE, self._clock.now()
        understood = isinstance(reading, StatusReport | NotFound)
        self._desk.meter.count(result, started_at, now, understood=understood)
        self._wait_again(slot, seq, now, failed=not understood)

    async def _ask(self, message_id: str, started_at: float) -> Reading:
        response = await self._client.get(message_id, started_at)
        now = self._clock.now()
        if isinstance(response, NoResponse):
            self._desk.budget.finish(started_at, now, None, None)
            return Failure(response.result)
        self._learn(response, started_at, now)
        reading = read(response.code, response.body, message_id, self._words)
        if isinstance(reading, StatusReport):
            self._desk.found_at = now
        return reading

    def _learn(self, response: Response, started_at: float, now: float) -> None:
        """Let the budget and the credentials know how the call went."""
        desk, code = self._desk, response.code
        before = desk.budget.paused(now)
        desk.budget.finish(started_at, now, code, retry_after_seconds(response.retry_after, now))
        if code in {401, 403} and self._client.credentials.look_again():
            desk.budget.resume()
        after = desk.budget.paused(now)
        if before != after:
            reasons = ",".join(pause.value for pause in after) or "none"
            _log.warning("the account's pauses changed", extra=fields(account=desk.account, reasons=reasons, code=code))

    def _wait_again(self, slot: int, seq: int, now: float, *, failed: bool) -> None:
        """Queue the message for its next poll; the second between two polls counts from the answer."""
        in_flight = self._tracker.in_flight
        if in_flight.seq[slot] != seq or in_flight.ended(slot):
            return
        in_flight.polled_at[slot] = now
        in_flight.failures[slot] = min(in_flight.failures[slot] + 1, _MOST_FAILURES) if failed else 0
        self._tracker.plan.enter(slot, now)

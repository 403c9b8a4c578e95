"""Polls one account: takes whose turn it is, asks, and hands what came to the tracker."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter.client import Client, NoResponse, Response, retry_after_seconds
from exporter.columns import ENDED
from exporter.logs import fields
from exporter.message import Failure, Observation, PollResult, Reading, StatusReport
from exporter.reading import StatusWords, read

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.desk import Desk
    from exporter.due import Turn
    from exporter.tracker import Tracker

_log: Final = logging.getLogger(__name__)
_ROUND_EVERY_SECONDS: Final = 1.0
_MOST_FAILURES: Final = 255


class _Call(NamedTuple):
    """One call that ended."""

    slot: int
    seq: int
    message_id: str
    started_at: float
    arrived_at: float
    response: Response | NoResponse


class Poller:
    """Workers that only make calls, and rounds that digest what came and hand out the next turns.

    A round takes all that came since the last one: the same steps for many messages in a row run twice as fast.
    """

    def __init__(self, desk: Desk, client: Client, tracker: Tracker, words: StatusWords, clock: Clock) -> None:
        """Take the account's desk and its connection pool."""
        self._desk = desk
        self._client = client
        self._tracker = tracker
        self._words = words
        self._clock = clock
        self._came: list[_Call] = []
        self._resting: list[asyncio.Future[Turn]] = []
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def run(self) -> None:
        """Poll until cancelled; calls under way are dropped then, and who had a turn must enter the plan again."""
        self._desk.wake = lambda: self._ring_at(self._clock.now())
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    self._digest()
                    self._hand_out(workers)
                    await self._bell.wait()
                    self._bell.clear()
        finally:
            self._desk.wake = lambda: None
            self._digest()
            self._desk.budget.active = 0
            self._cancel_timer()

    def _digest(self) -> None:
        """Apply what came, and queue its messages for their next polls."""
        came, self._came = self._came, []
        for call in came:
            try:
                self._apply(call)
            except Exception:  # noqa: BLE001 - the one wide except: a bug of ours must cost no message its next poll
                _log.exception("a poll failed in a way that nobody foresaw", extra=fields(account=self._desk.account))
                self._count(call, PollResult.UNREADABLE, understood=False)

    def _apply(self, call: _Call) -> None:
        reading = self._understand(call)
        observed = Observation(call.started_at, call.arrived_at, reading)
        result = self._tracker.apply(call.slot, call.seq, observed, self._desk)
        self._count(call, result, understood=not isinstance(reading, Failure))

    def _understand(self, call: _Call) -> Reading:
        response = call.response
        if isinstance(response, NoResponse):
            self._desk.budget.finish(call.started_at, call.arrived_at, None, None)
            return Failure(response.result)
        self._learn(response, call.started_at, call.arrived_at)
        reading = read(response.code, response.body, call.message_id, self._words)
        if isinstance(reading, StatusReport):
            self._desk.found_at = call.arrived_at
        return reading

    def _learn(self, response: Response, started_at: float, now: float) -> None:
        """Let the budget and the credentials know how the call went."""
        desk, code = self._desk, response.code
        if code < 400 and desk.budget.refused is None:
            desk.budget.finish(started_at, now, code, None)
            return
        before = desk.budget.paused(now)
        desk.budget.finish(started_at, now, code, retry_after_seconds(response.retry_after, now))
        if code in {401, 403} and self._client.credentials.look_again():
            desk.budget.resume()
        after = desk.budget.paused(now)
        if before != after:
            reasons = ",".join(pause.value for pause in after) or "none"
            _log.warning("the account's pauses changed", extra=fields(account=desk.account, reasons=reasons, code=code))

    def _count(self, call: _Call, result: PollResult, *, understood: bool) -> None:
        """Count a call and queue its message again; the second between two polls counts from the answer."""
        self._desk.meter.count(result, call.started_at, call.arrived_at, understood=understood)
        columns, slot = self._tracker.in_flight.columns, call.slot
        if columns.seq[slot] != call.seq or columns.has(slot, ENDED):
            return
        columns.polled_at[slot] = call.arrived_at
        columns.failures[slot] = 0 if understood else min(columns.failures[slot] + 1, _MOST_FAILURES)
        self._tracker.plan.enter(slot, call.arrived_at)

    def _hand_out(self, workers: asyncio.TaskGroup) -> None:
        """Hand out every turn that is due and affordable now, and see to it that the next round comes."""
        now = self._clock.now()
        if self._desk.budget.refused is not None and self._client.credentials.look(now):
            self._desk.budget.resume()
        self._desk.queue.share(self._desk.budget.per_second, now)
        while (turn := self._take(now)) is not None:
            if self._resting:
                self._resting.pop().set_result(turn)
            else:
                workers.create_task(self._work(turn))
        self._arm(now)

    def _take(self, now: float) -> Turn | None:
        """Return the next turn, booked."""
        budget, queue = self._desk.budget, self._desk.queue
        if budget.ready_at(now, spare=False) > now:
            return None
        turn = queue.take(now, spare=queue.stretched and budget.ready_at(now, spare=True) <= now)
        if turn is not None:
            budget.start(now)
        return turn

    def _arm(self, now: float) -> None:
        """Ring when something can be due and affordable, at least every second while anything waits."""
        self._cancel_timer()
        budget, (timely, stretched) = self._desk.budget, self._desk.queue.next_at(now)
        if timely == stretched == math.inf:
            return
        self._ring_at(
            min(
                max(timely, budget.ready_at(now, spare=False)),
                max(stretched, budget.ready_at(now, spare=True)),
                now + _ROUND_EVERY_SECONDS,
            )
        )

    def _ring_at(self, at: float) -> None:
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
        """Make one call after the other, each when there is a turn for it."""
        loop = asyncio.get_running_loop()
        while True:
            call = await self._call(turn)
            self._came.append(call)
            self._bell.set()
            next_turn: asyncio.Future[Turn] = loop.create_future()
            self._resting.append(next_turn)
            turn = await next_turn

    async def _call(self, turn: Turn) -> _Call:
        columns, slot = self._tracker.in_flight.columns, turn.slot
        seq, message_id, started_at = columns.seq[slot], columns.ids[slot], self._clock.now()
        self._desk.meter.lags.observe(turn.lag_seconds)
        try:
            response = await self._client.get(message_id, started_at)
        except asyncio.CancelledError:
            if columns.seq[slot] == seq:
                # Asked, and not told: soon again, and not within a second.
                columns.polled_at[slot] = self._clock.now()
                columns.failures[slot] = max(1, columns.failures[slot])
            raise
        return _Call(slot, seq, message_id, started_at, self._clock.now(), response)

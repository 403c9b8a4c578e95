"""Polls one account: takes whose turn it is, asks, and hands what came to the tracker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from exporter.client import Client, NoResponse, Response
from exporter.hearing import Call, Hearing
from exporter.message import Reading
from exporter.reading import StatusWords

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.desk import Desk
    from exporter.due import Turn
    from exporter.tracker import Tracker

_ROUND_EVERY_SECONDS: Final = 1.0


Answered = Callable[[str, str, Response | NoResponse, Reading | None, float], None]
"""Is told account, message id, what came, what it was read as (None after a bug of ours), and when it arrived."""


class Poller:
    """Workers that only make calls, and rounds that digest what came and hand out the next turns.

    A round takes all that came since the last one: the same steps for many messages in a row run twice as fast.
    """

    def __init__(self, desk: Desk, client: Client, tracker: Tracker, words: StatusWords, clock: Clock) -> None:
        """Take the account's desk and its connection pool."""
        self._desk = desk
        self._client = client
        self._tracker = tracker
        self.on_answer: Answered | None = None
        """Somebody else who wants to know what each call brought."""
        self._hearing = Hearing(desk, client.credentials, tracker, words)
        self._clock = clock
        self._came: list[Call] = []
        self._under_way = 0
        """How many calls are booked and not digested; others may call for the account too."""
        self._resting: list[asyncio.Future[Turn]] = []
        self._bell = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    async def run(self) -> None:
        """Poll until cancelled; calls under way are dropped then, and who had a turn must enter the plan again."""
        self._desk.wake = self._ring_at
        try:
            async with asyncio.TaskGroup() as workers:
                while True:
                    self._digest()
                    self._hand_out(workers)
                    await self._bell.wait()
                    self._bell.clear()
        finally:
            self._desk.wake = lambda _: None
            self._digest()
            self._desk.budget.active -= self._under_way
            self._under_way = 0
            self._cancel_timer()

    def _digest(self) -> None:
        """Apply what came, and queue its messages for their next polls."""
        came, self._came = self._came, []
        self._under_way -= len(came)
        for call in came:
            reading = self._hearing.hear(call)
            if self.on_answer is not None:
                self.on_answer(self._desk.account, call.message_id, call.response, reading, call.arrived_at)

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
            self._under_way += 1
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

    async def _call(self, turn: Turn) -> Call:
        columns, slot = self._tracker.in_flight.columns, turn.slot
        seq, message_id, started_at = columns.seq[slot], columns.ids[slot], self._clock.now()
        self._desk.meter.lags.observe(turn.lag_seconds)
        try:
            response = await self._client.get(message_id, started_at)
        except asyncio.CancelledError:
            self._hearing.lose(slot, seq, self._clock.now())
            raise
        return Call(slot, seq, message_id, started_at, self._clock.now(), response)

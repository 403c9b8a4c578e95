"""Finds SMSBat's answer about a message: remembered, on its way, or asked for within the account's budget."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.client import NoResponse, Response
from exporter.columns import ENDED, FREE, UNPLACED, UNSTORED
from exporter.hearing import Call, Hearing
from exporter.intake.relay.cache import Cache, Key, Told
from exporter.message import Reading, StatusReport
from exporter.schedule import MIN_GAP_SECONDS

if TYPE_CHECKING:
    from exporter.clock import Clock
    from exporter.desk import Desk
    from exporter.intake.relay.lines import Line
    from exporter.reading import StatusWords
    from exporter.tracker import Tracker

LONGEST_WAIT_SECONDS: Final = 10.0
_LOOK_AGAIN_SECONDS: Final = 0.05
_OTHERS: Final = frozenset({FREE, UNSTORED, UNPLACED})
"""Due times of a message that its poller is asking about, or that has no place yet."""


class Later(msgspec.Struct, frozen=True):
    """There is no budget for the call; when to ask again."""

    seconds: float


Found = Told | NoResponse | Later


class Answers:
    """The status calls of callers; the pollers' answers are theirs too."""

    def __init__(self, tracker: Tracker, clock: Clock) -> None:
        """Start with nothing known."""
        self.cache = Cache()
        self._tracker = tracker
        self._clock = clock
        self._calls: dict[Key, asyncio.Task[Found]] = {}
        self._meanwhile: dict[Key, Told] = {}
        """What others' calls brought while a caller waits for a turn; it is as new as an answer to the caller's own."""

    def heard(
        self, account: str, message_id: str, response: Response | NoResponse, reading: Reading | None, arrived_at: float
    ) -> None:
        """Take what a call of anybody's brought; only an answer that was understood is told again."""
        key = (account, message_id)
        if isinstance(reading, StatusReport) and isinstance(response, Response):
            self.cache.put(key, _told(response, arrived_at), final=reading.status.final)
        else:
            self.cache.note(key, arrived_at)
        if key in self._calls and isinstance(response, Response):
            self._meanwhile[key] = _told(response, arrived_at)

    async def find(self, line: Line, message_id: str, words: StatusWords) -> Found:
        """Return an answer that may be told now; concurrent callers share one call."""
        key = (line.name, message_id)
        known = self.cache.get(key, self._clock.now())
        if known is not None:
            return known
        desk = self._tracker.plan.rules.desks.get(line.name)
        if desk is None:
            return Later(MIN_GAP_SECONDS)
        call = self._calls.get(key)
        if call is None:
            hearing = Hearing(desk, line.credentials, self._tracker, words)
            call = self._calls[key] = asyncio.create_task(self._ask(line, message_id, desk, hearing), name="status")
            call.add_done_callback(lambda _: self._forget_call(key))
        await asyncio.wait({call})
        return Later(MIN_GAP_SECONDS) if call.cancelled() else call.result()

    def _forget_call(self, key: Key) -> None:
        self._calls.pop(key, None)
        self._meanwhile.pop(key, None)

    async def _ask(self, line: Line, message_id: str, desk: Desk, hearing: Hearing) -> Found:
        """Ask once it may be; what the poller brings meanwhile will do."""
        key = (line.name, message_id)
        until = self._clock.now() + LONGEST_WAIT_SECONDS
        while (wait := self._wait_seconds(key, desk, now := self._clock.now())) > 0:
            if now >= until or until < now + wait < math.inf:
                return Later(min(wait, LONGEST_WAIT_SECONDS) if now >= until else wait)
            await asyncio.sleep(min(wait, _LOOK_AGAIN_SECONDS))
            if (known := self.cache.get(key, self._clock.now()) or self._meanwhile.get(key)) is not None:
                return known
        try:
            call = await self._call(line, message_id, desk, hearing)
            self.heard(*key, call.response, hearing.hear(call), call.arrived_at)
        finally:
            desk.wake(self._clock.now())
        return call.response if isinstance(call.response, NoResponse) else _told(call.response, call.arrived_at)

    def _wait_seconds(self, key: Key, desk: Desk, now: float) -> float:
        """Return how long until a message may be asked about, infinity when only somebody else's call can tell."""
        asked_at = self.cache.asked_at(key)
        slot = self._slot(key)
        if slot is not None:
            columns = self._tracker.in_flight.columns
            if columns.due_at[slot] in _OTHERS:
                return math.inf
            asked_at = max(asked_at, columns.polled_at[slot])
        # A clock that was set back must not hold up anybody.
        rested_at = asked_at + MIN_GAP_SECONDS if asked_at <= now else now
        return max(rested_at, desk.budget.ready_at(now, spare=False)) - now

    def _slot(self, key: Key) -> int | None:
        slot = self._tracker.in_flight.find(*key)
        return None if slot is None or self._tracker.in_flight.columns.has(slot, ENDED) else slot

    async def _call(self, line: Line, message_id: str, desk: Desk, hearing: Hearing) -> Call:
        """Make one call, booked, its message out of the plan meanwhile."""
        slot, started_at = self._slot((line.name, message_id)), self._clock.now()
        seq = 0
        desk.budget.start(started_at)
        if slot is not None:
            seq = self._tracker.in_flight.columns.seq[slot]
            self._tracker.plan.leave(slot)
        response: Response | NoResponse | None = None
        try:
            response = await line.client.get(message_id, started_at)
        finally:
            if response is None:  # dropped
                desk.budget.active -= 1
                if slot is not None and self._slot((line.name, message_id)) == slot:
                    hearing.lose(slot, seq, self._clock.now())
                    self._tracker.plan.enter(slot, self._clock.now())
        return Call(slot, seq, message_id, started_at, self._clock.now(), response)

    async def hush(self) -> None:
        """Drop the calls under way; their callers are told to come back."""
        for call in self._calls.values():
            call.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)


def _told(response: Response, arrived_at: float) -> Told:
    return Told(
        response.code,
        response.body,
        response.content_type,
        response.content_encoding,
        response.retry_after,
        arrived_at,
    )

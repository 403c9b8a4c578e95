"""Gives messages their places a few at a time, after a restart and after a reload: a million take a while."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from exporter.aging import Aging
from exporter.clock import Clock
from exporter.columns import ENDED, FREE, UNPLACED, Columns
from exporter.plan import Plan

_AT_ONCE: Final = 200
"""They take two milliseconds, and then it is everybody else's turn."""


class Placing:
    """Has every unplaced message wait for its next poll and birthday, the newest first: they have most to tell."""

    def __init__(self, columns: Columns, plan: Plan, aging: Aging) -> None:
        """Take who needs a place, and where."""
        self._columns = columns
        self._plan = plan
        self._aging = aging
        self._left: Iterator[int] = iter(())
        self._new: deque[int] = deque()
        """Those that were stored just now, in their order."""
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Take everybody out of their places, while nobody polls, and begin anew."""
        self._columns.unplace()
        self._left = reversed(range(len(self._columns)))
        self._begun.set()

    def welcome(self, slots: Sequence[int], now: float) -> None:
        """Have messages that are stored now wait for their first poll: a few at once, many step by step."""
        flags, due_at = self._columns.flags, self._columns.due_at
        for slot in slots:
            if not flags[slot] & ENDED:
                due_at[slot] = UNPLACED
        self._new.extend(slots)
        if len(self._new) > _AT_ONCE:
            self._begun.set()
        else:
            self._place_new(now)

    def step(self, now: float) -> bool:
        """Place a few; returns whether any may be left."""
        if self._new:
            self._place_new(now)
            return True
        slots, columns = list(islice(self._left, _AT_ONCE)), self._columns
        for slot in slots:
            if self._takes(slot):
                # After a restart the last answer stands for the last poll.
                answered_at = max(columns.answered_at[slot], columns.other_at[slot])
                columns.polled_at[slot] = max(columns.polled_at[slot], answered_at)
                self._plan.welcome(slot, now)
                self._aging.again(slot)
        return bool(slots)

    def _place_new(self, now: float) -> None:
        for _ in range(min(_AT_ONCE, len(self._new))):
            slot = self._new.popleft()
            if self._takes(slot):
                self._aging.enter(slot, now)
                self._plan.welcome(slot, now)

    def _takes(self, slot: int) -> bool:
        """Whether a message needs a place; from now on it has one."""
        if self._columns.due_at[slot] != UNPLACED or self._columns.has(slot, ENDED):
            return False
        self._columns.due_at[slot] = FREE
        return True

    async def run(self, clock: Clock) -> None:
        """Place whoever needs it, until cancelled."""
        while True:
            await self._begun.wait()
            while self.step(clock.now()):  # noqa: ASYNC110 (nobody is waited for; it is everybody else's turn)
                await asyncio.sleep(0)
            self._begun.clear()

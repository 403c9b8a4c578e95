"""Gives messages their places a few at a time, after a restart and after a reload: a million take a while."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Take everybody out of their places, while nobody polls, and begin anew."""
        self._columns.unplace()
        self._left = reversed(range(len(self._columns)))
        self._begun.set()

    def step(self, now: float) -> bool:
        """Place a few; returns whether any may be left."""
        slots, columns = list(islice(self._left, _AT_ONCE)), self._columns
        for slot in slots:
            if columns.due_at[slot] == UNPLACED and not columns.has(slot, ENDED):
                columns.due_at[slot] = FREE
                # After a restart the last answer stands for the last poll.
                answered_at = max(columns.answered_at[slot], columns.other_at[slot])
                columns.polled_at[slot] = max(columns.polled_at[slot], answered_at)
                self._plan.welcome(slot, now)
                self._aging.again(slot)
        return bool(slots)

    async def run(self, clock: Clock) -> None:
        """Place whoever needs it, until cancelled."""
        while True:
            await self._begun.wait()
            while self.step(clock.now()):  # noqa: ASYNC110 (nobody is waited for; it is everybody else's turn)
                await asyncio.sleep(0)
            self._begun.clear()

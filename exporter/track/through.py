"""Waits for messages through a running exporter: hands them in, and has it answer as each of them ends."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from exporter.config import format_duration
from exporter.track.calling import Answer, Calls, Unreachable, shown
from exporter.track.report import Report

if TYPE_CHECKING:
    from exporter.track.board import Board

_T = TypeVar("_T")
_AT_ONCE: Final = 5_000
"""How many messages one request hands in: far below the 8 MiB that a body may have."""
CALLERS: Final = 200
_WAIT_SECONDS: Final = 30.0
_SPARE_SECONDS: Final = 0.5
"""How long before the wait is over the exporter is asked how those stand that have not ended."""
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0

FORGOTTEN: Final = "forgotten"
"""The outcome of a message that the exporter took, and no longer knows."""


class _Rejected(msgspec.Struct):
    error: str


class _Taken(msgspec.Struct):
    rejected: list[_Rejected] = []


async def follow(
    open_calls: Callable[[], Calls],
    board: Board,
    fields: dict[str, str],
    timeout_seconds: float,
    tell: Callable[[str], None],
) -> None:
    """Follow every message on the board to its end; raises CannotTrackError when the exporter will not.

    `fields` go with every message: `account` and `channel`, where given.
    """
    over_at = asyncio.get_running_loop().time() + timeout_seconds - _SPARE_SECONDS
    async with open_calls() as calls:
        exporter = _Exporter(calls, fields, tell)
        ids = board.open
        for start in range(0, len(ids), _AT_ONCE):
            await exporter.hand_in(ids[start : start + _AT_ONCE])
        await _ask_for_all(exporter, board, over_at)


async def _ask_for_all(exporter: _Exporter, board: Board, over_at: float) -> None:
    asking = deque(board.open)
    count = min(CALLERS, len(asking))
    callers = [asyncio.create_task(_ask_in_turn(exporter, asking, board, over_at)) for _ in range(count)]
    try:
        await asyncio.gather(*callers)
    finally:
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)


async def _ask_in_turn(exporter: _Exporter, asking: deque[str], board: Board, over_at: float) -> None:
    """Ask about one message after the other until all have ended; a caller that finds none left is not needed."""
    loop, pause_seconds = asyncio.get_running_loop(), _FIRST_PAUSE_SECONDS
    while asking:
        message_id = asking.popleft()
        left_seconds = over_at - loop.time()
        report = await exporter.ask(message_id, min(wait_seconds(board.open_count), left_seconds))
        if report is None:
            asking.append(message_id)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            continue
        pause_seconds = _FIRST_PAUSE_SECONDS
        board.put(report)
        if not report.final and left_seconds > 0:
            asking.append(message_id)


def wait_seconds(messages: int) -> float:
    """Return how long one call waits: with more messages than callers, so that all are asked about every 30 s."""
    return _WAIT_SECONDS * min(1.0, CALLERS / messages)


class _Exporter:
    """What is asked of the exporter, and how its answers are taken."""

    def __init__(self, calls: Calls, fields: dict[str, str], tell: Callable[[str], None]) -> None:
        self._calls = calls
        self._fields = fields
        self._tell = tell
        self._told: set[str] = set()

    async def hand_in(self, ids: Sequence[str]) -> None:
        """Have the messages tracked; those that are tracked or remembered already are as good."""
        body = msgspec.json.encode([{"messageId": each, **self._fields} for each in ids])
        answer = await self._calls.post("/api/v1/messages", body)
        while isinstance(answer, Answer) and answer.code in {429, 503}:
            self._tell_once(f"answers {answer.said}; trying again")
            await asyncio.sleep(answer.pause_seconds or _FIRST_PAUSE_SECONDS)
            answer = await self._calls.post("/api/v1/messages", body)
        if isinstance(answer, Unreachable):
            raise self._calls.cannot(
                f"cannot be reached ({answer.why}): does it run, and is this its --api.listen-address?"
            )
        if answer.code != 202:
            raise self._calls.refused(answer)
        if rejected := self._decoded(answer, _Taken).rejected:
            raise self._calls.cannot(f"does not take {len(rejected)} of the messages: {shown(rejected[0].error)}")

    async def ask(self, message_id: str, seconds: float) -> Report | None:
        """Return what is known of a message, at its end or after so long; None when that cannot be told now."""
        query = {"account": self._fields["account"]} if "account" in self._fields else {}
        if seconds > 0:
            query["wait"] = format_duration(seconds)
        answer = await self._calls.get(f"/api/v1/messages/{message_id}", query, seconds)
        if isinstance(answer, Unreachable):
            self._tell_once(f"cannot be reached now ({answer.why}); trying again")
            return None
        if answer.code == 429 or answer.code >= 500:
            self._tell_once(f"answers {answer.said}; trying again")
            return None
        if answer.code == 404:
            return Report(message_id=message_id, final=True, outcome=FORGOTTEN)
        if answer.code != 200:
            raise self._calls.refused(answer)
        return self._decoded(answer, Report)

    def _decoded(self, answer: Answer, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._calls.cannot("answers what cannot be read: is it of another version?") from None

    def _tell_once(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._tell(f"the exporter at {self._calls.url} {why}")

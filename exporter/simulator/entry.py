"""One message as the simulated API knows it: its life, the answer at a moment, and the calls that came about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.simulator.answers import answer
from exporter.simulator.lives import Truth

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

    from exporter.simulator.lives import Life, State


class TotalKey(NamedTuple):
    """What messages are added up by."""

    account: str
    channel: str
    truth: Truth
    fallback: str
    """`none` (not configured), `unused` or `used`, as the last answer shows it."""


class Entry:
    """One message: what was sent, its life (drawn when it is first needed), and the status calls about it."""

    __slots__ = (
        "_body",
        "_draw",
        "_from",
        "_life",
        "_until",
        "account",
        "arrivals",
        "calls",
        "channel",
        "id",
        "list_id",
        "sent_at",
    )

    def __init__(  # noqa: PLR0913 - a record, always built by keyword
        self,
        *,
        message_id: str,
        account: str,
        channel: str,
        sent_at: float,
        draw: Callable[[], Life],
        list_id: int | None,
    ) -> None:
        self.id = message_id
        self.account = account
        self.channel = channel
        self.sent_at = sent_at
        self.list_id = list_id
        self.calls = 0
        self.arrivals: array[float] | None = None
        self._draw = draw
        self._life: Life | None = None
        self._body = b""
        self._from = self._until = 0.0

    @property
    def life(self) -> Life:
        """What becomes of it."""
        if self._life is None:
            self._life = self._draw()
        return self._life

    def answer_at(self, now: float) -> bytes | None:
        """Return the body of an answer, or None for 404; built once a state."""
        elapsed = now - self.sent_at
        if not self._from <= elapsed < self._until:
            self._turn_to(elapsed)
        return None if elapsed < self.life.visible_after_seconds else self._body

    def _turn_to(self, elapsed: float) -> None:
        states = self.life.states
        index = self.life.index_at(elapsed)
        self._from = states[index].offset_seconds
        self._until = states[index + 1].offset_seconds if index + 1 < len(states) else float("inf")
        self._body = answer(self.id, self.list_id, self.life, states[index])

    @property
    def ended_at(self) -> float | None:
        """Unix seconds of its first final state; None when it never ends or is never found."""
        end = self.life.end
        if end is None or self.life.truth is Truth.NOT_FOUND:
            return None
        return self.sent_at + end.offset_seconds

    @property
    def total_key(self) -> TotalKey:
        """What it is added up by."""
        end = self.life.end or self.life.states[-1]
        return TotalKey(self.account, self.channel, self.life.truth, _fallback(end))


def _fallback(end: State) -> str:
    if len(end.channels) < 2:
        return "none"
    return "unused" if all(status == "not_used" for _, status in end.channels[1:]) else "used"

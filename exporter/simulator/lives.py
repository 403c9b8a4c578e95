"""What happens to a message, as a pure function of seed, message id and channel, or as a test scripts it."""

from __future__ import annotations

import bisect
import enum
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ZERO: Final = Decimal("0.00")
FINAL: Final = frozenset({"delivered", "undeliverable", "permanenterror"})

ScriptedState = tuple[float, str] | tuple[float, str, "Mapping[str, str]"]
"""Seconds after sending, status and, with a fallback, the status of each channel, the message's own first."""


class Truth(enum.Enum):
    """How a message really ends."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    PERMANENTERROR = "permanenterror"
    NEVER = "never"
    """It stays in flight for ever."""
    NOT_FOUND = "not_found"
    """Every answer about it is 404."""


@dataclass(frozen=True, slots=True)
class State:
    """What the API says about a message from a moment on."""

    offset_seconds: float
    status: str
    channels: tuple[tuple[str, str], ...] = ()
    """Each channel of the chain and its status; empty when no fallback is configured."""

    @property
    def final(self) -> bool:
        """Whether it is one of the documented final statuses, in any case."""
        return self.status.lower() in FINAL


@dataclass(frozen=True, slots=True)
class Money:
    """What a message costs once it is final; a field that is None is missing in the answer."""

    cost: Decimal | None = None
    rate: Decimal | None = None
    rate_amount: Decimal | None = None
    rate_currency: str | None = None
    bill_amount: Decimal | None = None
    bill_currency: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """The states of a message in the order of their offsets, and what it is charged."""

    states: tuple[State, ...]
    parts: int | None = 1
    money: Money = Money()
    visible_after_seconds: float = -math.inf
    """404 before that, counted from the send time; infinite: 404 for ever."""
    numbers_as_text: bool = False

    @classmethod
    def scripted(
        cls,
        states: Sequence[ScriptedState],
        *,
        cost: str | None = None,
        parts: int | None = 1,
        visible_after_seconds: float = -math.inf,
    ) -> Life:
        """Return a life as a test wants it; its statuses and cost are answered just as they are given."""
        made = tuple(State(row[0], row[1], tuple(row[2].items()) if len(row) > 2 else ()) for row in states)
        money = Money(cost=None if cost is None else Decimal(cost))
        return cls(states=made, parts=parts, money=money, visible_after_seconds=visible_after_seconds)

    def index_at(self, elapsed_seconds: float) -> int:
        """Return which state holds this long after sending; the first one also before sending."""
        return max(0, bisect.bisect_right(self.states, elapsed_seconds, key=_offset) - 1)

    @property
    def end(self) -> State | None:
        """The first final state, which is where a poller stops; None when there is none."""
        return next((state for state in self.states if state.final), None)

    @property
    def truth(self) -> Truth:
        """How it really ends."""
        if math.isinf(self.visible_after_seconds) and self.visible_after_seconds > 0:
            return Truth.NOT_FOUND
        end = self.end
        return Truth.NEVER if end is None else Truth(end.status.lower())

    @property
    def last_change_seconds(self) -> float:
        """When its answer changes for the last time, after sending."""
        return self.states[-1].offset_seconds


def _offset(state: State) -> float:
    return state.offset_seconds

"""What happens to sampled messages, told to whoever makes spans once it is stored; nothing is kept of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from exporter.columns import SAMPLED
from exporter.message import Status
from exporter.trace_ids import TraceIds, trace_id

if TYPE_CHECKING:
    from exporter.commit import Committer
    from exporter.in_flight import InFlight
    from exporter.message import Ending, Message, PollResult

NOTE: Final = "steps"


class Step(NamedTuple):
    """A status that a message was seen in, and when (Unix seconds)."""

    at: float
    status: int


class PollTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One status call about a sampled message; `_at` are Unix seconds."""

    message: Message
    """As it was before the call."""
    ids: TraceIds
    started_at: float
    arrived_at: float
    code: int | None
    """The HTTP status; None when no answer came."""
    result: PollResult
    status: Status | None
    """What the answer said; None when it said nothing."""


class MessageTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A sampled message that ended, or was abandoned (then `ending` is None)."""

    message: Message
    ending: Ending | None
    ended_at: float
    steps: tuple[Step, ...]


class Sink(Protocol):
    """Makes spans of what it is told; must neither block nor raise."""

    def poll(self, poll: PollTrace) -> None:
        """Take a call."""
        ...

    def message(self, message: MessageTrace) -> None:
        """Take a message's end."""
        ...


class Traced:
    """The sampled messages' steps, by slot; stored, so that a restart tears no trace apart."""

    def __init__(self, in_flight: InFlight, committer: Committer) -> None:
        """Start with nobody to tell."""
        self.sink: Sink | None = None
        self._columns = in_flight.columns
        self._committer = committer
        self._steps: dict[int, tuple[Step, ...]] = {}

    def load(self, bodies: Mapping[int, str]) -> None:
        """Take back what was stored, by slot."""
        for slot, body in bodies.items():
            self._steps[slot] = msgspec.json.decode(body, type=tuple[Step, ...])

    def samples(self, slot: int) -> bool:
        """Whether anybody wants to know about a message."""
        return self.sink is not None and self._columns.flags[slot] & SAMPLED != 0

    def step(self, slot: int, statuses: tuple[Status, ...], now: float) -> None:
        """Note statuses that a message is seen in for the first time; the final one is its end, and told with that."""
        new = tuple(Step(now, status) for status in statuses if not status.final)
        if new and self._columns.flags[slot] & SAMPLED:
            steps = self._steps.get(slot, ()) + new
            self._steps[slot] = steps
            self._committer.changes.notes[self._columns.seq[slot], NOTE] = msgspec.json.encode(steps).decode()

    def polled(self, poll: PollTrace) -> None:
        """Tell of a call."""
        if (sink := self.sink) is not None:
            self._committer.changes.then.append(lambda: sink.poll(poll))
            # A call that came too late changes nothing else that would have to be stored.
            self._committer.later()

    def leave(self, slot: int, message: Message, ending: Ending | None, ended_at: float) -> None:
        """Tell of a message that is in flight no more, and forget it."""
        steps = self._steps.pop(slot, ())
        if steps:
            self._committer.changes.notes[self._columns.seq[slot], NOTE] = None
        if (sink := self.sink) is not None and message.sampled:
            told = MessageTrace(message=message, ending=ending, ended_at=ended_at, steps=steps)
            self._committer.changes.then.append(lambda: sink.message(told))


def fields(message: Message) -> dict[str, str]:
    """Return what log lines about a message say of its trace."""
    return {"trace_id": trace_id(message)} if message.sampled else {}

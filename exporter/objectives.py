"""Judges each message once by each objective: met, missed, or not to be told (contract section 3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from exporter import catalogue as metrics
from exporter.message import Ending, Message, Outcome
from exporter.totals import Key, Tally

_NEARLY: Final = 0.9
"""A poll at this share of `within` that said "in flight" proves a miss, when the next one came too late."""
_MISSES: Final = frozenset({Outcome.UNDELIVERABLE, Outcome.PERMANENTERROR, Outcome.TIMEOUT})


class Objective(msgspec.Struct, frozen=True):
    """A share of messages that shall be delivered in time; no channels means all."""

    name: str
    channels: frozenset[str]
    within: float
    target: float


class Objectives:
    """All of them; a message's judgements follow from its own times, so that none has to be remembered."""

    def __init__(self, objectives: tuple[Objective, ...]) -> None:
        """Take the configured ones."""
        self._objectives = objectives

    def __iter__(self) -> Iterator[Objective]:
        """Yield each."""
        return iter(self._objectives)

    def _of(self, channel: str) -> Iterator[Objective]:
        return (each for each in self._objectives if not each.channels or channel in each.channels)

    def judge_in_flight(self, tally: Tally, before: Message, after: Message) -> None:
        """Count a miss as soon as a poll proves it: the one that moves the lower end past `within`."""
        if after.in_flight_at == before.in_flight_at:
            return
        for objective in self._of(after.channel):
            if not _missed_already(before, objective) and _missed_already(after, objective):
                _judge(tally, objective, after, missed=True)

    def judge_ended(self, tally: Tally, message: Message, ending: Ending) -> None:
        """Count the judgement of a message that ended, unless it was missed before."""
        for objective in self._of(message.channel):
            if not _missed_already(message, objective):
                _judge(tally, objective, message, missed=_missed(objective.within, ending))

    def expected(self, account: str, channel: str) -> Iterator[Key]:
        """Yield every counter that an account and a channel of the configuration show from the start."""
        for objective in self._of(channel):
            for metric in (metrics.OBJECTIVE_JUDGED, metrics.OBJECTIVE_MISSED, metrics.OBJECTIVE_UNDECIDED):
                yield metric, (account, channel, objective.name)


def _judge(tally: Tally, objective: Objective, message: Message, *, missed: bool | None) -> None:
    labels = (message.account, message.channel, objective.name)
    if missed is None:
        tally.count(metrics.OBJECTIVE_UNDECIDED, *labels)
        return
    tally.count(metrics.OBJECTIVE_JUDGED, *labels)
    if missed:
        tally.count(metrics.OBJECTIVE_MISSED, *labels)


def _missed_already(message: Message, objective: Objective) -> bool:
    return message.in_flight_at - message.sent_at >= objective.within


def _missed(within: float, ending: Ending) -> bool | None:
    """Judge an ended message by the contract's rules; None where the polls cannot tell."""
    if ending.outcome in _MISSES:
        return True
    if ending.outcome is not Outcome.DELIVERED:
        return None
    if ending.upper_seconds <= within:
        return False
    return True if ending.lower_seconds >= within * _NEARLY else None

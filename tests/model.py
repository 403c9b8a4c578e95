"""The contract's life of a message once more, as plainly as it can be said: what the totals are compared with."""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from decimal import Decimal

TIMEOUT, MATURE, WITHIN = 3_600.0, 300.0, 10.0
GRACE = 120.0
DAY = 86_400.0
OUTCOMES = {"delivered": "delivered", "undeliverable": "failed", "permanenterror": "failed", "timeout": "pending"}
AGES = {"1m": 60, "5m": 300, "1h": 3_600, "6h": 21_600, "1d": 86_400}


@dataclasses.dataclass
class Tracked:
    """One message as the contract sees it."""

    id: str
    account: str
    channel: str
    sent_at: float
    accepted_at: float
    ttl: float | None
    status: str = "accepted"
    lower_at: float = 0.0
    said_in_flight_at: float = 0.0
    other_at: float = 0.0
    judged: bool = False
    matured: bool = False
    ended: bool = False

    @property
    def deadline_at(self) -> float:
        return self.sent_at + min(TIMEOUT, TIMEOUT if self.ttl is None else self.ttl + GRACE)


class Model:
    """All messages, and the totals they come to; `store` keeps a state and `die` falls back to it."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, str], Tracked] = {}
        self.totals: Counter[tuple[str, ...]] = Counter()
        self.money: dict[tuple[str, str], Decimal] = {}
        self.found_at: dict[str, float] = {}
        self._stored = copy.deepcopy(self.__dict__)

    def store(self) -> None:
        kept = {name: value for name, value in self.__dict__.items() if name != "_stored"}
        self._stored = copy.deepcopy(kept)

    def die(self) -> None:
        self.__dict__.update(copy.deepcopy(self._stored))
        self.found_at = {}

    def open(self) -> list[Tracked]:
        return [message for message in self.messages.values() if not message.ended]

    def offer(self, message: Tracked) -> None:
        if (message.account, message.id) in self.messages:
            self.totals["exporter_intake", "duplicate"] += 1
            return
        self.totals["exporter_intake", "accepted"] += 1
        self.totals["messages_accepted", message.account] += 1
        self.messages[message.account, message.id] = message

    def answer(self, message: Tracked, status: str, cost: str, started_at: float, now: float) -> None:
        known = status if status in {"scheduled", "processing", *OUTCOMES} else "unknown"
        if ("seen", message.account, message.id, known) not in self.totals:
            self.totals["seen", message.account, message.id, known] += 1
            self.totals["message_status", known] += 1
        self.found_at[message.account] = message.other_at = now
        message.status = known
        if known in OUTCOMES:
            self._end(message, known, now, Decimal(cost))
            return
        message.said_in_flight_at = now
        if known != "unknown":
            message.lower_at = started_at
        if started_at >= message.deadline_at:
            self._end(message, "timeout", now, Decimal(cost))
        elif not message.judged and message.lower_at - message.sent_at >= WITHIN:
            self._judge(message, missed=True)

    def not_found(self, message: Tracked, now: float) -> None:
        message.said_in_flight_at = 0.0
        patience = max(message.accepted_at, message.sent_at, message.other_at) + GRACE
        others = message.account in self.found_at and now - self.found_at[message.account] <= 600
        never = message.status == "accepted"
        if now >= message.deadline_at or (never and others and now > patience):
            self._end(message, "not_found", now, None)

    def tick(self, now: float) -> None:
        for message in self.open():
            if not message.matured and now > message.sent_at + MATURE:
                young = message.said_in_flight_at and now - message.said_in_flight_at <= 60
                self._mature(message, "pending" if young else "unknown")

    def give_up(self, message: Tracked, now: float) -> None:
        assert now >= message.deadline_at + DAY, "nobody is given up sooner"
        self._end(message, "unobserved", now, None)

    def abandon(self, message: Tracked) -> None:
        message.ended = True
        self.totals["messages_abandoned", message.account] += 1

    def _end(self, message: Tracked, outcome: str, now: float, cost: Decimal | None) -> None:
        assert not message.ended
        message.ended = True
        self.totals["messages_finished", outcome] += 1
        if not message.matured:
            self._mature(message, OUTCOMES.get(outcome, "unknown"))
        if cost is not None:
            key = message.account, outcome
            self.money[key] = self.money.get(key, Decimal(0)) + cost
        lower, upper = max(0.0, message.lower_at - message.sent_at), now - message.sent_at
        if outcome == "delivered":
            self.totals["time_to_delivery_seconds_count", ""] += 1
        if not message.judged:
            met = outcome == "delivered" and upper <= WITHIN
            missed = outcome in {"undeliverable", "permanenterror", "timeout"}
            missed = missed or (outcome == "delivered" and upper > WITHIN and lower >= 0.9 * WITHIN)
            self._judge(message, missed=missed) if met or missed else self._judge(message, missed=None)

    def _judge(self, message: Tracked, *, missed: bool | None) -> None:
        message.judged = True
        self.totals["objective_undecided" if missed is None else "objective_messages", ""] += 1
        self.totals["objective_missed", ""] += bool(missed)

    def _mature(self, message: Tracked, result: str) -> None:
        message.matured = True
        self.totals["messages_matured", result] += 1

"""What really happened: every message with its true end, the calls about it, and exact totals to compare with."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from exporter.simulator.lives import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.simulator.entry import Entry, TotalKey


@dataclass(slots=True)
class Total:
    """The sum over messages that ended alike."""

    messages: int = 0
    parts: int = 0
    cost: Decimal = Decimal(0)
    rate_amounts: dict[str, Decimal] = field(default_factory=dict)
    """By currency; only of messages whose answer tells it."""
    bill_amounts: dict[str, Decimal] = field(default_factory=dict)


class Ledger:
    """All messages that the API knows; they may be forgotten, their totals stay."""

    def __init__(self, *, keep_arrivals: bool) -> None:
        self._keep_arrivals = keep_arrivals
        self._entries: dict[tuple[str, str], Entry] = {}
        self._forgotten: dict[TotalKey, Total] = {}
        self.answers: Counter[tuple[str, str]] = Counter()
        """Status calls by account and answer: the HTTP status, or the kind of a fault."""
        self.account_arrivals: dict[str, array[float]] = {}
        """When the status calls of an account came, refused ones included; empty unless arrivals are kept."""

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def add(self, entry: Entry) -> None:
        """Take a message; one that is known already is a ValueError."""
        if self._entries.setdefault((entry.account, entry.id), entry) is not entry:
            raise ValueError(f"message {entry.id} is known already")

    def find(self, account: str, message_id: str) -> Entry | None:
        """Return the message, if this account sent it."""
        return self._entries.get((account, message_id))

    def arrived(self, account: str, entry: Entry | None, now: float) -> None:
        """Note a status call, before anything is decided about it."""
        if entry is not None:
            entry.calls += 1
        if self._keep_arrivals:
            self.account_arrivals.setdefault(account, array("d")).append(now)
            if entry is not None:
                entry.arrivals = entry.arrivals or array("d")
                entry.arrivals.append(now)

    def smallest_gap_seconds(self) -> float:
        """Return the shortest time between two calls about one message; infinite without any two."""
        gaps = (b - a for entry in self for a, b in pairwise(entry.arrivals or ()))
        return min(gaps, default=float("inf"))

    def totals(self, ended_by: float | None = None) -> dict[TotalKey, Total]:
        """Return the sums: over all messages, or over those that ended by then and those forgotten."""
        totals = {key: _copy(total) for key, total in self._forgotten.items()}
        for entry in self:
            if ended_by is None or (entry.ended_at is not None and entry.ended_at <= ended_by):
                _book(totals, entry)
        return totals

    def forget_unchanged_since(self, moment: float) -> int:
        """Drop the messages whose answers stay the same since then; they are 404 from now on. Return how many."""
        old = [entry for entry in self if entry.sent_at + entry.life.last_change_seconds < moment]
        for entry in old:
            _book(self._forgotten, entry)
            del self._entries[entry.account, entry.id]
        return len(old)


def _book(totals: dict[TotalKey, Total], entry: Entry) -> None:
    """Add a message; one that does not end charges nothing."""
    total = totals.setdefault(entry.total_key, Total())
    total.messages += 1
    if entry.life.truth is not Truth.NOT_FOUND:
        total.parts += entry.life.parts or 0
    end = entry.life.end
    if end is None or entry.life.truth is Truth.NOT_FOUND:
        return
    money = entry.life.money
    total.cost += money.cost or 0
    if end.channels:
        _add(total.rate_amounts, money.rate_currency, money.rate_amount)
        _add(total.bill_amounts, money.bill_currency, money.bill_amount)


def _add(amounts: dict[str, Decimal], currency: str | None, amount: Decimal | None) -> None:
    if currency is not None and amount is not None:
        amounts[currency] = amounts.get(currency, Decimal(0)) + amount


def _copy(total: Total) -> Total:
    return Total(total.messages, total.parts, total.cost, dict(total.rate_amounts), dict(total.bill_amounts))

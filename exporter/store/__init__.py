"""Where messages and totals outlive the process: the protocol, and what one commit carries."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec


class StoreError(Exception):
    """The store cannot do its work now; the text says why and what to do about it."""


class StoreRefusedError(StoreError):
    """The store must not be used at all: damaged, from a newer version, or in use elsewhere."""


class InFlightRow(NamedTuple):
    """A message in flight, as it is stored; `_at` columns are Unix seconds, 0.0 where it never happened."""

    seq: int
    """Its number in this store, never used again."""
    account: str
    id: str
    channel: str
    labels: str
    """JSON object of the configured labels, or empty."""
    sent_at: float
    accepted_at: float
    ttl: float
    traceparent: str | None
    status: int
    seen: int
    in_flight_at: float
    answered_at: float
    other_at: float
    flags: int
    polls: int


class ProgressRow(NamedTuple):
    """What polling changed about a message in flight."""

    seq: int
    status: int
    seen: int
    in_flight_at: float
    answered_at: float
    other_at: float
    flags: int
    polls: int


class FinishedRow(NamedTuple):
    """A message that ended or was abandoned, remembered for `retention`."""

    account: str
    id: str
    finished_at: float
    listed: int
    """It stands in the configuration: not forgotten while it does."""
    body: str
    """JSON object: what is known of it."""


class TotalRow(NamedTuple):
    """One series of a total; `value` is JSON: an integer, a decimal as text, or a histogram object."""

    metric: str
    labels: str
    value: str
    touched_at: float


class WindowRow(NamedTuple):
    """What one slice of time adds to a gauge over a window; `value` is a decimal as text."""

    metric: str
    labels: str
    slice_at: float
    value: str


class PositionRow(NamedTuple):
    """How far a source of messages has been read; what the key and the text mean is the source's business."""

    key: str
    text: str | None
    """None: forgotten."""


class NoteRow(NamedTuple):
    """What is kept of few messages in flight only."""

    seq: int
    """The message's."""
    kind: str
    """What it is about, which is its owner's business, as the body is."""
    body: str | None
    """JSON; None: forgotten."""


class Batch(msgspec.Struct, kw_only=True):
    """One transaction: all of it is stored, or nothing."""

    accepted: Sequence[InFlightRow] = ()
    progressed: Sequence[ProgressRow] = ()
    removed: Sequence[int] = ()
    """Sequence numbers of messages that are in flight no more."""
    finished: Sequence[FinishedRow] = ()
    totals: Sequence[TotalRow] = ()
    """New absolute values, replacing those of the same metric and labels."""
    windows: Sequence[WindowRow] = ()
    """New absolute values, replacing those of the same metric, labels and slice."""
    forget_windows_before: float = 0.0
    """Slices older than this are deleted."""
    positions: Sequence[PositionRow] = ()
    """Replacing those of the same key."""
    notes: Sequence[NoteRow] = ()
    """Replacing those of the same message and kind."""


class Store(Protocol):
    """Synchronous; every call but the constructor is made from the one writer thread."""

    def in_flight(self, chunk: int) -> Iterator[list[InFlightRow | tuple[object, ...]]]:
        """Yield every message in flight, by sequence number, in lists of at most `chunk` rows."""
        ...

    def count(self) -> int:
        """Count the messages in flight."""
        ...

    def last_seq(self) -> int:
        """Return the highest sequence number ever given out, 0 in a new store."""
        ...

    def totals(self) -> Iterator[TotalRow]:
        """Yield every stored total."""
        ...

    def windows(self) -> Iterator[WindowRow]:
        """Yield every stored slice."""
        ...

    def positions(self) -> dict[str, str]:
        """Return how far each source of messages has been read, by its key."""
        ...

    def notes(self, kind: str) -> dict[int, str]:
        """Return the notes of a kind, by the sequence number of their message."""
        ...

    def remembered(self, keys: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those (account, id) pairs that ended and are still remembered."""
        ...

    def finished(self, account: str, message_id: str) -> FinishedRow | None:
        """Return one remembered message."""
        ...

    def latest_finished(self, limit: int) -> list[FinishedRow]:
        """Return at most `limit` remembered messages, the one that ended last first."""
        ...

    def count_finished(self) -> int:
        """Return about how many messages are remembered."""
        ...

    def finished_keys(self, after: int, limit: int) -> tuple[list[tuple[str, str]], int | None]:
        """Return account and id of at most `limit` remembered messages, and the place to go on after; None at the end.

        Begin after 0. Messages that end meanwhile may be left out.
        """
        ...

    def commit(self, batch: Batch) -> None:
        """Store the batch durably, or raise StoreError and store none of it; safe to repeat after a failure."""
        ...

    def relist(self, listed: Collection[tuple[str, str]]) -> None:
        """Mark exactly these (account, id) pairs among the finished ones as listed."""
        ...

    def forget(self, before: float, limit: int) -> int:
        """Delete at most `limit` unlisted finished messages that ended before; return how many."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...

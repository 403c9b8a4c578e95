"""When a message is polled next: backoff, edges, deadline and retries, as functions of its times."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import msgspec

MIN_GAP_SECONDS: Final = 1.0
"""SMSBat asks that nobody polls a message more than once a second."""
MAX_RETRY_SECONDS: Final = 60.0
"""A failed call is retried after at most this time."""


class Pace(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How the messages of one polling entry are polled; durations in seconds."""

    first: float
    interval: float
    backoff: float
    max_interval: float
    timeout: float
    mature: float
    edges: tuple[float, ...]
    """Ages just before which a poll tells most, ascending: bucket edges, objectives, the `mature` age."""


def gap(pace: Pace, age_seconds: float) -> float:
    """Return the gap after a poll at this age: exponential backoff as a function of age, at most max_interval."""
    return min(pace.interval + (pace.backoff - 1.0) * max(0.0, age_seconds), pace.max_interval)


def first_due(pace: Pace, sent_at: float, aim_seconds: float) -> float:
    """Return when a message is polled first: `first` after sending, or before an edge in that gap's last second."""
    latest = pace.first
    edge = _edge_after(pace, latest - MIN_GAP_SECONDS + aim_seconds, latest + aim_seconds)
    return sent_at + (latest if edge is None else edge - aim_seconds)


def next_due(pace: Pace, sent_at: float, polled_at: float, aim_seconds: float, deadline_at: float) -> float:
    """Return when a message is polled again that was last answered at `polled_at`.

    The gap of rule 1, cut short by the first edge inside it that lies far enough behind the last answer
    (rule 2; `aim_seconds` is how early a poll starts for its answer to arrive before the edge), and by the
    deadline, before which the last poll never starts.
    """
    age = polled_at - sent_at
    latest = age + gap(pace, age)
    edge = _edge_after(pace, age + MIN_GAP_SECONDS + aim_seconds, latest + aim_seconds)
    due = sent_at + (latest if edge is None else edge - aim_seconds)
    if polled_at < deadline_at < due:
        due = deadline_at
    return max(due, polled_at + MIN_GAP_SECONDS)


def _edge_after(pace: Pace, low: float, high: float) -> float | None:
    """Return the first edge in (low, high]."""
    edges = pace.edges
    index = bisect_right(edges, low)
    return edges[index] if index < len(edges) and edges[index] <= high else None


def retry_due(failed_at: float, failures: int, jitter: float) -> float:
    """Return when a call that failed `failures` times in a row is repeated; `jitter` is drawn from 0..1."""
    longest = min(MAX_RETRY_SECONDS, 2.0 ** min(failures, 10))
    return failed_at + max(MIN_GAP_SECONDS, longest * (0.5 + 0.5 * jitter))


def fair_shares(demands: tuple[float, ...], budget: float) -> tuple[float, ...]:
    """Share a budget max-min fairly: nobody gets more than it asks for, and who gets less gets the most anyone does."""
    shares = [0.0] * len(demands)
    left, waiting = budget, len(demands)
    for index in sorted(range(len(demands)), key=demands.__getitem__):
        shares[index] = min(demands[index], left / waiting)
        left -= shares[index]
        waiting -= 1
    return tuple(shares)

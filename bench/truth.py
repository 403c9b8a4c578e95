"""Truth for calls: how many deliveries land in their true bucket, and at how many calls, by our schedule and others."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from random import Random
from typing import Final

from bench.configs import config
from bench.table import Row, Target
from exporter.budget import AnswerTime
from exporter.schedule import Pace, first_due, next_due
from exporter.settings import polling_rules
from exporter.simulator.profile import MIXTURE

MESSAGES: Final = 200_000
WATCHED_SECONDS: Final = 86_400.0
_ANSWER_MEDIAN_SECONDS: Final = 0.08
_ANSWER_SIGMA: Final = 0.25
_SEED: Final = 1

NextPoll = Callable[[float | None], float]
"""When a message is polled next, given when its last answer came (None: never); seconds after sending."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What polling made of all messages."""

    calls_a_message: float
    truths: list[float]
    """Seconds to delivery, of every message delivered while it was watched."""
    observed: list[float | None]
    """When each of those deliveries was seen, None for never."""


def answer_seconds(random: Random) -> float:
    """Draw how long one call takes."""
    return random.lognormvariate(math.log(_ANSWER_MEDIAN_SECONDS), _ANSWER_SIGMA)


def delivery_seconds(random: Random) -> float:
    """Draw when a message is delivered, infinity for never."""
    share = random.random()
    for delay in MIXTURE:
        if share < delay.share:
            return random.lognormvariate(math.log(delay.median_seconds), delay.sigma)
        share -= delay.share
    return math.inf


def ours(pace: Pace, answers: AnswerTime) -> NextPoll:
    """Poll as the exporter does, aiming by the answer times it has learned."""

    def next_poll(polled_after: float | None) -> float:
        if polled_after is None:
            return first_due(pace, 0.0, answers.aim_seconds)
        return next_due(pace, 0.0, polled_after, answers.aim_seconds, pace.timeout)

    return next_poll


def backoff(interval: float, factor: float, longest: float, polled_after: float | None) -> float:
    """Poll with plain exponential backoff, as a function of age."""
    age = 0.0 if polled_after is None else polled_after
    return age + min(interval + (factor - 1.0) * age, longest)


def every(interval: float, until: float, polled_after: float | None) -> float:
    """Poll at a fixed pace, then give up."""
    at = (0.0 if polled_after is None else polled_after) + interval
    return at if at <= until else math.inf


def watch(next_poll: NextPoll, learn: Callable[[float], None], count: int) -> Seen:
    """Poll many messages, one after the other; the API looks at a message in the middle of a call."""
    lives, network = Random(_SEED), Random(_SEED + 1)
    truths: list[float] = []
    observed: list[float | None] = []
    calls = 0
    for _ in range(count):
        truth = delivery_seconds(lives)
        at, answered_at = next_poll(None), None
        while at < WATCHED_SECONDS:
            took = answer_seconds(network)
            calls += 1
            learn(took)
            answered_at = at + took
            if truth <= at + took / 2:
                break
            at, answered_at = next_poll(answered_at), None
        if truth < WATCHED_SECONDS:
            truths.append(truth)
            observed.append(answered_at)
    return Seen(calls / count, truths, observed)


def share_in_true_bucket(seen: Seen, edges: Sequence[float]) -> float:
    """Return how many of all deliveries were seen in the bucket that they happened in."""
    pairs = zip(seen.truths, seen.observed, strict=True)
    right = sum(at is not None and bisect_left(edges, truth) == bisect_left(edges, at) for truth, at in pairs)
    return right / len(seen.truths)


def histogram_quantile(quantile: float, edges: Sequence[float], observed: Sequence[float]) -> float:
    """Read a quantile from a histogram as PromQL does: linear inside a bucket, at most the highest edge."""
    counts = [0] * (len(edges) + 1)
    for value in observed:
        counts[bisect_left(edges, value)] += 1
    cumulative = list(accumulate(counts))
    rank = quantile * cumulative[-1]
    index = bisect_left(cumulative, rank)
    if index == len(edges):
        return edges[-1]
    lower = edges[index - 1] if index else 0.0
    below = cumulative[index - 1] if index else 0
    return lower + (edges[index] - lower) * (rank - below) / counts[index]


def quantile_error(seen: Seen, quantile: float, edges: Sequence[float]) -> float:
    """Return how far the read quantile is from the true one, relative to it."""
    truth = sorted(seen.truths)[int(quantile * len(seen.truths))]
    read = histogram_quantile(quantile, edges, [at for at in seen.observed if at is not None])
    return abs(read - truth) / truth


_OTHERS: Final = {
    "backoff 2.5 s, x1.5, at most 1 h": partial(backoff, 2.5, 1.5, 3_600.0),
    "backoff 5 s, x1.5, at most 5 min": partial(backoff, 5.0, 1.5, 300.0),
    "SMSBat's example: every 5 s for 1 min": partial(every, 5.0, 60.0),
}


def _watch_ours(count: int) -> Seen:
    answers = AnswerTime()
    return watch(ours(polling_rules(config())[-1].pace, answers), answers.observe, count)


def _watch_other(name: str, count: int) -> Seen:
    return watch(_OTHERS[name], lambda _: None, count)


def rows(count: int = MESSAGES) -> Iterator[Row]:
    """Measure, a process for each way to poll."""
    edges = config().buckets
    with ProcessPoolExecutor() as pool:
        mine = pool.submit(_watch_ours, count)
        others = {name: pool.submit(_watch_other, name, count) for name in _OTHERS}
        for name, other in others.items():
            yield from _compared(mine.result(), name, other.result(), edges)
        exact = Seen(0.0, mine.result().truths, [*mine.result().truths])
        yield from _errors(mine.result(), "the true times in the same buckets", exact, edges)


def _compared(mine: Seen, name: str, other: Seen, edges: Sequence[float]) -> Iterator[Row]:
    shares = (share_in_true_bucket(mine, edges), share_in_true_bucket(other, edges))
    calls = (mine.calls_a_message, other.calls_a_message)
    yield Row("deliveries in their true bucket", shares[0], name, shares[1], "%", Target("measured", ">=", 0.97))
    yield Row("calls a message", calls[0], name, calls[1], "", Target("measured", "<=", 6.0))
    yield from _errors(mine, name, other, edges)


def _errors(mine: Seen, name: str, other: Seen, edges: Sequence[float]) -> Iterator[Row]:
    for quantile in (0.5, 0.95):
        errors = (quantile_error(mine, quantile, edges), quantile_error(other, quantile, edges))
        yield Row(f"error of p{quantile * 100:.0f}", errors[0], name, errors[1], "%")

"""The three rules of the next poll, as the architecture states them."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.schedule import Pace, fair_shares, first_due, gap, next_due, retry_due

SENT_AT = 1_700_000_000.0
ROUNDING = 1e-6  # of Unix seconds in binary
NEVER = SENT_AT + 1e9
BUCKETS = (2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0)
PLAIN = Pace(first=2.5, interval=5.0, backoff=1.5, max_interval=21_600.0, timeout=259_200.0, mature=300.0, edges=())
DEFAULT = msgspec.structs.replace(PLAIN, edges=BUCKETS[:-1])

ages = st.floats(0.0, 300_000.0)
aims = st.floats(0.05, 1.0)
edges = st.lists(st.floats(0.1, 5_000.0) | st.sampled_from(BUCKETS), max_size=20)


@st.composite
def paces(draw: st.DrawFn) -> Pace:
    """Give any polling entry that the configuration allows."""
    interval = draw(st.floats(1.0, 600.0))
    return Pace(
        first=draw(st.floats(1.0, 600.0)),
        interval=interval,
        backoff=draw(st.floats(1.0, 4.0)),
        max_interval=draw(st.floats(interval, 50_000.0)),
        timeout=draw(st.floats(1.0, 300_000.0)),
        mature=draw(st.floats(1.0, 3_600.0)),
        edges=tuple(sorted(set(draw(edges)))),
    )


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0.0, 5.0), (2.5, 6.25), (10.0, 10.0), (1_000.0, 505.0), (43_190.0, 21_600.0), (1e9, 21_600.0)],
)
def test_the_gap_grows_with_the_age_of_a_message_to_the_longest(age: float, expected: float) -> None:
    assert gap(PLAIN, age) == expected


def test_a_backoff_of_1_keeps_the_gap() -> None:
    steady = msgspec.structs.replace(PLAIN, backoff=1.0)
    assert {gap(steady, age) for age in (0.0, 100.0, 1e6)} == {5.0}


def test_a_poll_before_the_send_time_counts_as_at_it() -> None:
    assert gap(PLAIN, -3.0) == 5.0


def after(pace: Pace, age: float, aim: float = 0.05, deadline: float = 1e9) -> float:
    """Return the age at which the poll after one at `age` starts."""
    return round(next_due(pace, SENT_AT, SENT_AT + age, aim, SENT_AT + deadline) - SENT_AT, 5)


def edged(*ages: float) -> Pace:
    return msgspec.structs.replace(PLAIN, edges=ages)


@pytest.mark.parametrize(
    ("pace", "age", "expected"),
    [
        (edged(), 2.5, 8.75),
        (edged(5.0), 2.5, 4.95),
        (edged(8.75), 2.5, 8.7),
        (edged(8.9), 2.5, 8.75),
        (edged(2.5), 2.5, 8.75),
        (edged(3.4), 2.5, 8.75),
        (edged(3.5), 2.5, 8.75),
        (edged(3.6), 2.5, 3.55),
        (edged(3.4, 6.0), 2.5, 5.95),
        (edged(4.0, 5.0, 6.0), 2.5, 3.95),
        (edged(1.0, 2.0), 2.5, 8.75),
    ],
)
def test_the_next_poll_comes_just_before_the_first_edge_in_its_gap_that_is_more_than_a_second_away(
    pace: Pace, age: float, expected: float
) -> None:
    assert after(pace, age) == expected


def test_slow_answers_are_asked_for_earlier() -> None:
    assert after(edged(5.0), 2.5, aim=0.8) == 4.2


@pytest.mark.parametrize(
    ("ages", "expected"),
    [((), 2.5), ((2.5,), 2.45), ((2.0,), 1.95), ((1.4,), 2.5), ((1.6, 2.0), 1.55), ((2.7,), 2.5), ((1.0, 2.2), 2.15)],
)
def test_the_first_poll_comes_just_before_an_edge_in_its_last_second(ages: tuple[float, ...], expected: float) -> None:
    assert round(first_due(edged(*ages), SENT_AT, 0.05) - SENT_AT, 5) == expected


@pytest.mark.parametrize(
    ("age", "deadline", "expected"),
    [
        (10.0, 15.0, 15.0),
        (10.0, 20.0, 20.0),
        (10.0, 25.0, 20.0),
        (14.5, 15.0, 15.5),
        (15.0, 15.0, 27.5),
        (20.0, 15.0, 35.0),
    ],
)
def test_a_poll_starts_at_the_deadline_and_never_within_a_second_of_the_last(
    age: float, deadline: float, expected: float
) -> None:
    assert after(PLAIN, age, deadline=deadline) == expected


def test_the_default_entry_polls_a_message_at_the_bucket_edges_until_its_deadline() -> None:
    polled, deadline = [first_due(DEFAULT, SENT_AT, 0.05)], SENT_AT + DEFAULT.timeout
    while polled[-1] < deadline:
        polled.append(next_due(DEFAULT, SENT_AT, polled[-1], 0.05, deadline))
    ages = [round(at - SENT_AT, 2) for at in polled]
    assert [edge for edge in DEFAULT.edges if round(edge - 0.05, 2) not in ages] == []
    assert DEFAULT.timeout <= ages[-1] <= DEFAULT.timeout + 1.0


@given(paces(), ages, aims, st.floats(0.0, 300_000.0))
def test_a_poll_is_never_within_a_second_of_the_last_nor_after_rule_1(
    pace: Pace, age: float, aim: float, deadline: float
) -> None:
    polled_at = SENT_AT + age
    due = next_due(pace, SENT_AT, polled_at, aim, SENT_AT + deadline)
    assert due >= polled_at + 1.0 - ROUNDING
    assert due <= polled_at + gap(pace, age) + ROUNDING


@given(paces(), ages, aims)
def test_a_poll_comes_early_only_for_an_edge_that_its_usual_answer_then_still_precedes(
    pace: Pace, age: float, aim: float
) -> None:
    due = next_due(pace, SENT_AT, SENT_AT + age, aim, NEVER) - SENT_AT
    if due < age + gap(pace, age) - ROUNDING:
        assert any(abs(due + aim - edge) <= ROUNDING for edge in pace.edges)
        assert not any(age + 1.0 + aim + ROUNDING < edge < due + aim - ROUNDING for edge in pace.edges)


@given(paces(), aims)
def test_the_first_poll_is_in_the_last_second_of_first(pace: Pace, aim: float) -> None:
    due = first_due(pace, SENT_AT, aim) - SENT_AT
    assert pace.first - 1.0 - ROUNDING <= due <= pace.first + ROUNDING
    if due < pace.first - ROUNDING:
        assert any(abs(due + aim - edge) <= ROUNDING for edge in pace.edges)


@given(paces(), st.floats(0.0, 5_000.0), aims, st.floats(0.001, 300_000.0))
def test_no_poll_jumps_over_the_deadline(pace: Pace, age: float, aim: float, ahead: float) -> None:
    polled_at = SENT_AT + age
    deadline = polled_at + ahead
    free = next_due(pace, SENT_AT, polled_at, aim, NEVER)
    due = next_due(pace, SENT_AT, polled_at, aim, deadline)
    assert due == (free if free <= deadline else max(deadline, polled_at + 1.0))


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 1.0, 2.0), (2, 2.0, 4.0), (3, 4.0, 8.0), (6, 30.0, 60.0), (255, 30.0, 60.0)]
)
def test_a_failed_call_is_retried_with_backoff_up_to_a_minute(failures: int, least: float, most: float) -> None:
    assert retry_due(SENT_AT, failures, 0.0) - SENT_AT == least
    assert retry_due(SENT_AT, failures, 1.0) - SENT_AT == most


@given(st.integers(1, 1_000), st.floats(0.0, 1.0))
def test_a_retry_is_never_within_a_second_nor_after_a_minute(failures: int, jitter: float) -> None:
    assert 1.0 <= retry_due(SENT_AT, failures, jitter) - SENT_AT <= 60.0


@given(st.integers(1, 20), st.lists(st.floats(0.0, 1.0), min_size=2, unique=True))
def test_jitter_parts_calls_that_failed_together(failures: int, jitters: list[float]) -> None:
    delays = [retry_due(0.0, failures, jitter) for jitter in sorted(jitters)]
    assert all(one <= other for one, other in pairwise(delays))
    spread = min(60.0, 2.0**failures) / 2 * (max(jitters) - min(jitters))
    assert delays[-1] - delays[0] == pytest.approx(spread)


@pytest.mark.parametrize(
    ("demands", "budget", "shares"),
    [
        ((), 10.0, ()),
        ((3.0,), 10.0, (3.0,)),
        ((30.0,), 10.0, (10.0,)),
        ((2.0, 100.0), 10.0, (2.0, 8.0)),
        ((100.0, 2.0, 100.0), 10.0, (4.0, 2.0, 4.0)),
        ((6.0, 6.0, 0.0), 10.0, (5.0, 5.0, 0.0)),
        ((1.0, 2.0, 3.0), 6.0, (1.0, 2.0, 3.0)),
        ((1.0, 2.0), 0.0, (0.0, 0.0)),
    ],
)
def test_the_budget_is_shared_max_min_fairly(
    demands: tuple[float, ...], budget: float, shares: tuple[float, ...]
) -> None:
    assert fair_shares(demands, budget) == shares


def filled_up(demands: list[int], budget: int) -> list[int]:
    """Return the shares when the budget is poured out drop by drop, each to who has least of those that want more."""
    shares = [0] * len(demands)
    for _ in range(budget):
        thirsty = [index for index, demand in enumerate(demands) if shares[index] < demand]
        if thirsty:
            shares[min(thirsty, key=shares.__getitem__)] += 1
    return shares


@given(st.lists(st.integers(0, 30), max_size=6), st.integers(0, 100))
def test_fair_shares_are_what_pouring_the_budget_drop_by_drop_comes_to(demands: list[int], budget: int) -> None:
    shares = fair_shares(tuple(map(float, demands)), float(budget))
    assert all(abs(one - other) < 1.0 for one, other in zip(shares, filled_up(demands, budget), strict=True))


@given(st.lists(st.floats(0.0, 1e4), max_size=12), st.floats(0.0, 1e4))
def test_fair_shares_give_nobody_more_than_asked_and_all_that_is_asked_for(demands: list[float], budget: float) -> None:
    shares = fair_shares(tuple(demands), budget)
    assert all(0.0 <= share <= demand for share, demand in zip(shares, demands, strict=True))
    assert sum(shares) == pytest.approx(min(sum(demands), budget))
    short = [share for share, demand in zip(shares, demands, strict=True) if share < demand]
    assert all(share == pytest.approx(max(shares)) for share in short)

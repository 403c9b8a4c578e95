"""The token bucket of an account, how it slows down after 429, and what it keeps for polls of their own moment."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.budget import AnswerTime, Budget, Limits, Pause

NOW = 1_700_000_000.0


def budget(rate: float = 10.0, burst: int = 10, concurrency: int = 50) -> Budget:
    return Budget(Limits(rate, burst, concurrency), NOW)


def call(account: Budget, at: float, code: int | None = 200, *, took: float = 0.0, wait: float | None = None) -> None:
    account.start(at)
    account.finish(at, at + took, code, wait)


def made(account: Budget, since: float, until: float) -> int:
    """Count the calls of a caller that makes each as soon as it may."""
    calls, now = 0, since
    while (now := max(now, account.ready_at(now, spare=False))) < until:
        call(account, now)
        calls += 1
    return calls


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    account = budget(rate=2.0, burst=3)
    for _ in range(3):
        assert account.ready_at(NOW, spare=False) <= NOW
        call(account, NOW)
    assert account.ready_at(NOW, spare=False) == NOW + 0.5


def test_the_bucket_never_holds_more_than_the_burst() -> None:
    account = budget(rate=2.0, burst=3)
    assert made(account, NOW + 1e6, NOW + 1e6 + 0.4) == 3


def test_a_rate_may_be_a_fraction() -> None:
    account = budget(rate=0.2, burst=1)
    call(account, NOW)
    assert account.ready_at(NOW, spare=False) == pytest.approx(NOW + 5.0, abs=0.01)


@given(st.floats(0.05, 50.0), st.integers(1, 50), st.floats(1.0, 20.0))
def test_no_span_of_time_has_more_calls_than_burst_and_rate_allow_nor_much_less(
    rate: float, burst: int, seconds: float
) -> None:
    calls = made(budget(rate, burst, 1_000), NOW, NOW + seconds)
    assert burst + rate * seconds - 1.01 <= calls <= burst + rate * seconds + 1.01


def test_no_more_calls_are_under_way_than_the_concurrency_allows() -> None:
    account = budget(burst=10, concurrency=2)
    account.start(NOW)
    assert account.ready_at(NOW, spare=False) <= NOW
    account.start(NOW)
    assert account.ready_at(NOW, spare=False) == math.inf
    account.finish(NOW, NOW + 0.1, 200, None)
    assert account.ready_at(NOW + 0.1, spare=False) <= NOW + 0.1


def test_the_rate_that_an_account_can_reach_is_bounded_by_its_concurrency() -> None:
    account = budget(rate=100.0, concurrency=5)
    assert account.per_second == 100.0
    for second in range(200):
        call(account, NOW + second, took=0.5)
    assert account.per_second == pytest.approx(10.0)


def test_a_call_that_can_wait_leaves_half_of_the_burst_to_the_others() -> None:
    account = budget(rate=1.0, burst=10)
    for _ in range(5):
        assert account.ready_at(NOW, spare=True) <= NOW
        call(account, NOW)
    assert account.ready_at(NOW, spare=True) == NOW + 1.0
    assert account.ready_at(NOW, spare=False) <= NOW


def test_a_call_that_can_wait_leaves_a_tenth_of_the_concurrency_to_the_others() -> None:
    account = budget(rate=1e3, burst=1_000, concurrency=20)
    for _ in range(18):
        assert account.ready_at(NOW, spare=True) <= NOW
        account.start(NOW)
    assert account.ready_at(NOW, spare=True) == math.inf
    assert account.ready_at(NOW, spare=False) <= NOW


def test_a_call_that_can_wait_is_made_in_the_smallest_account_too() -> None:
    account = budget(rate=0.1, burst=1, concurrency=1)
    assert account.ready_at(NOW, spare=True) <= NOW


def test_429_closes_the_account_for_a_second_and_halves_its_rate() -> None:
    account = budget(rate=8.0)
    call(account, NOW, 429)
    assert account.paused(NOW) == (Pause.RATE_LIMITED,)
    assert account.ready_at(NOW, spare=False) == NOW + 1.0
    assert account.per_second == 4.0
    assert account.paused(NOW + 1.0) == ()


def test_429_leaves_no_burst_that_could_follow_at_once() -> None:
    account = budget(rate=10.0, burst=100)
    call(account, NOW, 429)
    assert made(account, NOW, NOW + 2.0) <= 11


def test_retry_after_closes_the_account_for_as_long() -> None:
    account = budget()
    call(account, NOW, 429, wait=30.0)
    assert account.ready_at(NOW, spare=False) == NOW + 30.0
    assert account.paused(NOW + 29.0) == (Pause.RATE_LIMITED,)


def test_a_retry_after_of_nothing_still_means_a_second() -> None:
    account = budget()
    call(account, NOW, 429, wait=0.0)
    assert account.ready_at(NOW, spare=False) == NOW + 1.0


def test_a_retry_after_of_years_does_not_stop_the_account_for_ever() -> None:
    account = budget()
    call(account, NOW, 429, wait=1e9)
    assert account.ready_at(NOW, spare=False) <= NOW + 3_600.0


def in_flight(account: Budget, count: int) -> None:
    for _ in range(count):
        account.start(NOW)


def test_several_calls_that_meet_the_same_429_slow_the_account_down_once() -> None:
    account = budget(rate=8.0)
    in_flight(account, 6)
    for index in range(6):
        account.finish(NOW, NOW + 0.1 + index / 100, 429, None)
    assert account.per_second == pytest.approx(4.0, rel=0.01)
    assert account.ready_at(NOW + 0.2, spare=False) == NOW + 1.1


def test_of_several_calls_that_meet_the_same_429_the_longest_retry_after_holds() -> None:
    account = budget()
    in_flight(account, 3)
    for wait in (None, 20.0, 5.0):
        account.finish(NOW, NOW + 0.1, 429, wait)
    assert account.ready_at(NOW + 0.1, spare=False) == NOW + 20.1


def test_a_call_made_after_the_pause_that_meets_429_slows_the_account_down_further() -> None:
    account = budget(rate=8.0)
    call(account, NOW, 429)
    call(account, NOW + 1.0, 429)
    assert account.per_second < 2.5


def test_429_for_ever_leaves_a_rate_that_still_finds_out_when_it_ends() -> None:
    account = budget(rate=32.0)
    for second in range(1_000):
        call(account, NOW + second, 429)
    assert account.per_second >= 1.0


def test_the_rate_recovers_within_a_minute_of_calls_that_are_not_refused() -> None:
    account = budget(rate=8.0)
    call(account, NOW, 429)
    rates = []
    for second in range(1, 62):
        call(account, NOW + second)
        rates.append(account.per_second)
    assert rates == sorted(rates)
    assert rates[-1] == 8.0


def test_nothing_is_asked_while_the_store_does_not_work() -> None:
    account = budget()
    account.store_failed = True
    assert account.paused(NOW) == (Pause.STORE,)
    assert account.ready_at(NOW, spare=False) == account.ready_at(NOW, spare=True) == math.inf
    account.store_failed = False
    assert account.ready_at(NOW, spare=False) <= NOW


def test_a_clock_that_is_set_back_neither_stops_nor_fills_the_bucket() -> None:
    account = budget(rate=1.0, burst=2)
    call(account, NOW)
    call(account, NOW)
    assert account.ready_at(NOW - 3_600.0, spare=False) == pytest.approx(NOW - 3_599.0, abs=0.01)


def test_the_aim_is_what_nearly_all_answers_take() -> None:
    answers = AnswerTime()
    for index in range(400):
        answers.observe(0.08 if index % 2 else 0.12)
    assert 0.12 <= answers.aim_seconds <= 0.25


@given(st.lists(st.floats(0.0, 100.0), max_size=50))
def test_the_aim_is_between_50_milliseconds_and_a_second(seconds: list[float]) -> None:
    answers = AnswerTime()
    for each in seconds:
        answers.observe(each)
    assert 0.05 <= answers.aim_seconds <= 1.0


def test_calls_without_an_answer_say_nothing_of_how_long_answers_take() -> None:
    account = budget()
    before = account.answers.aim_seconds
    call(account, NOW, None, took=0.0)
    call(account, NOW + 1, None, took=10.0)
    assert account.answers.aim_seconds == before
    call(account, NOW + 20, 200, took=0.5)
    assert account.answers.aim_seconds > before


def test_calls_that_hang_take_places_and_leave_a_smaller_budget() -> None:
    account = budget(rate=100.0, concurrency=10)
    assert account.per_second == 100.0
    for index in range(100):
        call(account, NOW + 10 * index, None, took=10.0)
    assert account.per_second == pytest.approx(1.0, rel=0.05)

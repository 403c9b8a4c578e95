"""401 and 403 pause an account but for one careful call at a time, and lose nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.budget import Budget, Limits, Pause

NOW = 1_700_000_000.0


@pytest.fixture
def account() -> Budget:
    return Budget(Limits(10.0, 10, 50), NOW)


def call(account: Budget, at: float, code: int | None) -> None:
    account.start(at)
    account.finish(at, at, code, None)


@pytest.mark.parametrize(("code", "why"), [(401, Pause.UNAUTHORIZED), (403, Pause.FORBIDDEN)])
def test_a_refusal_pauses_the_account_and_says_why(account: Budget, code: int, why: Pause) -> None:
    call(account, NOW, code)
    assert account.paused(NOW) == account.paused(NOW + 1e6) == (why,)
    assert account.ready_at(NOW, spare=False) == NOW + 1.0


def test_one_careful_call_is_made_at_a_time(account: Budget) -> None:
    call(account, NOW, 401)
    account.start(NOW + 1.0)
    assert account.ready_at(NOW + 100.0, spare=False) == math.inf


def test_calls_that_were_under_way_end_before_the_careful_one(account: Budget) -> None:
    account.start(NOW)
    call(account, NOW, 401)
    assert account.ready_at(NOW + 5.0, spare=False) == math.inf
    account.finish(NOW, NOW + 6.0, None, None)
    assert account.ready_at(NOW + 6.0, spare=False) <= NOW + 6.0


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503, None])
def test_careful_calls_that_fail_grow_apart_up_to_a_minute(account: Budget, code: int | None) -> None:
    call(account, NOW, 401)
    pauses, now = [], NOW
    for _ in range(10):
        opens_at = account.ready_at(now, spare=False)
        pauses.append(opens_at - now)
        now = opens_at
        call(account, now, code)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]
    assert account.refused is not None


def test_the_reason_is_that_of_the_last_refusal(account: Budget) -> None:
    call(account, NOW, 401)
    call(account, NOW + 1.0, 403)
    assert account.paused(NOW + 1.0) == (Pause.FORBIDDEN,)


def test_several_calls_that_meet_the_same_refusal_pause_the_account_once(account: Budget) -> None:
    for _ in range(5):
        account.start(NOW)
    for index in range(5):
        account.finish(NOW, NOW + index / 10, 401, None)
    assert account.ready_at(NOW + 0.4, spare=False) == NOW + 1.0


@pytest.mark.parametrize("code", [200, 404])
def test_an_answer_that_was_asked_for_before_the_refusal_does_not_end_the_pause(account: Budget, code: int) -> None:
    account.start(NOW)
    call(account, NOW, 401)
    account.finish(NOW, NOW + 0.5, code, None)
    assert account.paused(NOW + 0.5) == (Pause.UNAUTHORIZED,)


@pytest.mark.parametrize("code", [200, 404])
def test_an_understood_answer_to_a_careful_call_ends_the_pause(account: Budget, code: int) -> None:
    call(account, NOW, 401)
    call(account, NOW + 1.0, code)
    assert account.paused(NOW + 1.0) == ()
    assert account.ready_at(NOW + 1.0, spare=False) <= NOW + 1.0


def test_another_secret_ends_the_pause_and_the_next_one_starts_short_again(account: Budget) -> None:
    for _ in range(8):
        call(account, account.ready_at(NOW, spare=False), 401)
    account.resume()
    assert account.paused(NOW + 300.0) == ()
    assert account.ready_at(NOW + 300.0, spare=False) <= NOW + 300.0
    call(account, NOW + 300.0, 401)
    assert account.ready_at(NOW + 300.0, spare=False) == NOW + 301.0


def test_a_careful_call_waits_for_retry_after_too(account: Budget) -> None:
    account.start(NOW)
    call(account, NOW, 401)
    account.finish(NOW, NOW, 429, 30.0)
    assert set(account.paused(NOW)) == {Pause.UNAUTHORIZED, Pause.RATE_LIMITED}
    assert account.ready_at(NOW, spare=False) == NOW + 30.0


def test_no_careful_call_is_made_while_the_store_does_not_work(account: Budget) -> None:
    call(account, NOW, 401)
    account.store_failed = True
    assert set(account.paused(NOW)) == {Pause.UNAUTHORIZED, Pause.STORE}
    assert account.ready_at(NOW + 10.0, spare=False) == math.inf


def test_careful_calls_keep_to_the_accounts_rate() -> None:
    slow = Budget(Limits(0.01, 1, 50), NOW)
    call(slow, NOW, 401)
    assert slow.ready_at(NOW, spare=False) == pytest.approx(NOW + 100.0, abs=0.01)


@given(st.lists(st.sampled_from([200, 401, 403, 404, 429, 500, None]), max_size=60), st.booleans())
def test_whatever_happens_the_account_opens_again_within_an_hour_of_the_last_answer(
    codes: list[int | None],
    spare: bool,  # noqa: FBT001 (Hypothesis fills it)
) -> None:
    account, now = Budget(Limits(0.5, 2, 4), NOW), NOW
    for code in codes:
        opens_at = account.ready_at(now, spare=spare)
        assert opens_at <= now + 3_600.0
        now = max(now, opens_at)
        call(account, now, code)
    assert account.active == 0

"""What is told again, and for how long."""

from __future__ import annotations

import pytest

from exporter.intake.relay.cache import Cache, Told

KEY = ("main", "m1")


def told(arrived_at: float = 100.0, body: bytes = b"{}") -> Told:
    return Told(200, body, "application/json", None, None, arrived_at)


@pytest.mark.parametrize(
    ("final", "now", "known"),
    [(False, 100.0, True), (False, 129.9, True), (False, 130.0, False), (True, 130.0, True), (True, 1e9, True)],
)
def test_an_answer_is_told_while_it_is_young_or_final(final: bool, now: float, known: bool) -> None:  # noqa: FBT001
    cache = Cache()
    cache.put(KEY, told(), final=final)
    assert (cache.get(KEY, now) is not None) == known
    assert cache.get(("two", "m1"), now) is None


def test_a_call_in_vain_keeps_what_was_told_before_and_moves_the_last_call() -> None:
    cache = Cache()
    assert cache.asked_at(KEY) == 0.0
    cache.note(KEY, 90.0)
    assert (cache.get(KEY, 90.0), cache.asked_at(KEY)) == (None, 90.0)
    cache.put(KEY, told(), final=False)
    cache.note(KEY, 110.0)
    assert (cache.get(KEY, 111.0), cache.asked_at(KEY)) == (told(), 110.0)
    assert cache.get(KEY, 130.0) is None


def test_the_answers_that_were_used_last_are_kept() -> None:
    cache = Cache(most=2)
    cache.put(("a", "1"), told(), final=True)
    cache.put(("a", "2"), told(), final=True)
    assert cache.get(("a", "1"), 0.0)
    cache.put(("a", "3"), told(), final=True)
    assert [number for number in "123" if cache.get(("a", number), 0.0)] == ["1", "3"]
    assert len(cache) == 2


def test_what_another_account_of_the_same_name_was_told_is_forgotten() -> None:
    cache = Cache()
    cache.put(("a", "1"), told(), final=True)
    cache.put(("b", "1"), told(), final=True)
    cache.forget({"a"})
    assert (cache.get(("a", "1"), 100.0), cache.asked_at(("a", "1"))) == (None, 100.0)
    assert cache.get(("b", "1"), 100.0) is not None

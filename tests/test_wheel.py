from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from exporter.wheel import Wheel


def test_an_empty_wheel_has_no_first_second() -> None:
    assert Wheel().first() is None
    assert Wheel().before(10) == 0


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**32 - 1))))
def test_entries_come_out_by_second_all_of_them_once(entries: list[tuple[int, int]]) -> None:
    wheel, expected = Wheel(), defaultdict[int, list[int]](list)
    for second, slot in entries:
        wheel.add(second, slot)
        expected[second].append(slot)
    found = []
    while (first := wheel.first()) is not None:
        found.append((first, list(wheel.pop())))
    assert found == sorted(expected.items())


@given(st.lists(st.integers(0, 50)), st.integers(0, 50))
def test_the_entries_of_earlier_seconds_can_be_counted(seconds: list[int], until: int) -> None:
    wheel = Wheel()
    for second in seconds:
        wheel.add(second, 7)
    assert wheel.before(until) == sum(second < until for second in seconds)


def test_a_second_that_was_taken_can_be_entered_again() -> None:
    wheel = Wheel()
    wheel.add(5, 1)
    wheel.pop()
    wheel.add(5, 2)
    assert (wheel.first(), list(wheel.pop()), wheel.first()) == (5, [2], None)

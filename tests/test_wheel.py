from __future__ import annotations

from array import array
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from exporter.wheel import Wheel

moments = st.floats(0.0, 2_000.0) | st.floats(0.0, 4e9)


def taken(wheel: Wheel) -> list[tuple[int, list[int]]]:
    found = []
    while (first := wheel.first()) is not None:
        found.append((first, sorted(wheel.pop())))
    return found


def by_second(times: list[float]) -> list[tuple[int, list[int]]]:
    seconds = defaultdict[int, list[int]](list)
    for slot, at in enumerate(times):
        seconds[int(at)].append(slot)
    return sorted(seconds.items())


def test_an_empty_wheel_has_no_first_second() -> None:
    wheel = Wheel(array("d"))
    assert wheel.first() is None
    assert wheel.before(10) == 0


@given(st.lists(moments))
def test_entries_come_out_by_second_all_of_them_once(times: list[float]) -> None:
    wheel = Wheel(array("d", times))
    for slot in range(len(times)):
        wheel.add(slot)
    assert taken(wheel) == by_second(times)


def test_entries_may_come_for_seconds_and_spans_that_are_over() -> None:
    times = array("d", (5_000.0, 10.0, 4_999.0))
    wheel = Wheel(times)
    wheel.add(0)
    assert wheel.first() == 5_000
    wheel.add(1)
    wheel.add(2)
    assert taken(wheel) == [(10, [1]), (4_999, [2]), (5_000, [0])]


@given(st.lists(st.tuples(moments, st.none() | moments)))
def test_an_entry_does_not_come_out_at_a_time_that_has_changed(changes: list[tuple[float, float | None]]) -> None:
    times = array("d", [before for before, _ in changes])
    wheel = Wheel(times)
    for slot in range(len(times)):
        wheel.add(slot)
    for slot, (_, after) in enumerate(changes):
        times[slot] = times[slot] if after is None else after
    found = [(second, slot) for second, slots in taken(wheel) for slot in slots]
    assert all(int(times[slot]) == second for second, slot in found)
    assert {(int(at), slot) for slot, (at, after) in enumerate(changes) if after is None} <= {*found}
    assert len(found) == len({*found})


@given(st.lists(st.integers(0, 1_000)), st.integers(0, 1_000), st.sampled_from(["at rest", "turning"]))
def test_the_entries_of_earlier_seconds_can_be_counted(seconds: list[int], until: int, state: str) -> None:
    wheel = Wheel(array("d", map(float, seconds)))
    for slot in range(len(seconds)):
        wheel.add(slot)
    if state == "turning":
        wheel.first()
    assert wheel.before(until) == sum(second < until for second in seconds)
    assert taken(wheel) == by_second([float(second) for second in seconds])


def test_a_second_that_was_taken_can_be_entered_again() -> None:
    wheel = Wheel(array("d", (5.0, 5.5)))
    wheel.add(0)
    assert taken(wheel) == [(5, [0])]
    wheel.add(1)
    assert (wheel.first(), wheel.pop(), wheel.first()) == (5, [1], None)

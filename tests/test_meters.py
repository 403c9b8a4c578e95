"""What the exporter counts about itself."""

from __future__ import annotations

from functools import reduce
from operator import add

from hypothesis import given
from hypothesis import strategies as st

from exporter.message import PollResult
from exporter.meters import POLL_EDGES, Meter, PollMeter, StoreMeter


@given(st.lists(st.floats(0, 100)))
def test_a_meter_counts_each_observation_in_the_first_bucket_that_holds_it(values: list[float]) -> None:
    meter = Meter(POLL_EDGES)
    for value in values:
        meter.observe(value)
    read = meter.read()
    assert [sum(read.counts[: index + 1]) for index in range(len(POLL_EDGES))] == [
        sum(value <= edge for value in values) for edge in POLL_EDGES
    ]
    assert sum(read.counts) == len(values)
    assert read.sum == reduce(add, values, 0.0)  # since 3.12 `sum` makes up for what rounding loses


def test_what_was_read_does_not_change() -> None:
    meter = Meter((1.0,))
    read = meter.read()
    meter.observe(0.5)
    assert (read.counts, meter.read().counts) == ((0, 0), (1, 0))


def test_every_result_shows_0_from_the_start() -> None:
    meter = PollMeter()
    assert meter.results == dict.fromkeys(PollResult, 0)
    assert (meter.last_success_at, meter.last_understood) == (0.0, None)


def test_only_an_understood_call_is_a_success() -> None:
    meter = PollMeter()
    meter.count(PollResult.UNCHANGED, 100.0, 100.5, understood=True)
    meter.count(PollResult.TIMEOUT, 200.0, 210.0, understood=False)
    assert (meter.last_success_at, meter.last_understood) == (100.5, False)
    assert meter.results[PollResult.TIMEOUT] == 1
    assert meter.durations.read().sum == 10.5


def test_a_store_works_until_it_does_not() -> None:
    meter = StoreMeter()
    assert (meter.errors, meter.problem) == (0, None)

"""Sums over the window that ends now: they expire, they are exact, and they survive a restart."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exporter.store import WindowRow
from exporter.window import WindowKey, Windows
from tests.virtual_time import START

COST: WindowKey = ("cost", ("main", "sms", "USD"))
HOUR = 3_600.0


def add(windows: Windows, amount: str, now: float, key: WindowKey = COST) -> list[WindowRow]:
    sums = windows.sum_up([(key, Decimal(amount))], now)
    rows = windows.rows(sums)
    windows.publish(sums)
    return rows


def stored(*rows: WindowRow) -> list[WindowRow]:
    """Keep the last row of each slice, as the store does."""
    return list({(row.metric, row.labels, row.slice_at): row for row in rows}.values())


def test_nothing_is_in_the_window_before_it_is_published() -> None:
    windows = Windows(HOUR, [])
    windows.sum_up([(COST, Decimal(1))], START)
    assert windows.sums(START) == {}


def test_what_leaves_the_window_is_gone_and_so_is_its_key() -> None:
    windows = Windows(HOUR, [])
    add(windows, "0.1", START)
    add(windows, "0.2", START + 1_800)
    assert windows.sums(START + 1_800) == {COST: Decimal("0.3")}
    assert windows.sums(START + HOUR + 60) == {COST: Decimal("0.2")}
    assert windows.sums(START + 1_800 + HOUR + 60) == {}


def test_a_restart_goes_on_with_the_same_sums_and_they_expire_likewise() -> None:
    windows = Windows(HOUR, [])
    rows = [*add(windows, "0.1", START), *add(windows, "0.2", START + 5), *add(windows, "1", START + 600)]
    again = Windows(HOUR, stored(*rows))
    assert again.sums(START + 600) == windows.sums(START + 600) == {COST: Decimal("1.3")}
    rows += add(again, "5", START + 605)
    assert Windows(HOUR, stored(*rows)).sums(START + 605) == {COST: Decimal("6.3")}
    assert again.sums(START + HOUR + 60) == {COST: Decimal(6)}


def test_the_store_may_forget_only_what_has_left_the_window() -> None:
    windows = Windows(HOUR, [])
    (row,) = add(windows, "1", START)
    at = START
    while windows.sums(at):
        assert row.slice_at >= windows.oldest_at(at)
        at += 10
    assert HOUR - 60 <= at - START <= HOUR + 60


def test_a_longer_window_shows_what_is_still_there_and_a_shorter_one_less() -> None:
    windows = Windows(HOUR, [])
    add(windows, "1", START)
    add(windows, "2", START + 1_800)
    windows.window_seconds = 900
    assert windows.sums(START + 1_900) == {COST: Decimal(2)}
    windows.window_seconds = 7_200
    assert windows.sums(START + 5_000) == {COST: Decimal(2)}


def test_a_clock_that_goes_back_loses_nothing() -> None:
    windows = Windows(HOUR, [])
    rows = [*add(windows, "1", START), *add(windows, "2", START - 600)]
    assert windows.sums(START - 600) == {COST: Decimal(3)}
    assert Windows(HOUR, stored(*rows)).sums(START) == {COST: Decimal(3)}


STEPS = st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 999_999), st.booleans()), max_size=40)


@given(STEPS)
def test_the_sum_lies_between_those_of_a_window_one_slice_shorter_and_one_as_long(
    steps: list[tuple[int, int, bool]],
) -> None:
    windows, now, rows, events = Windows(HOUR, []), START, list[WindowRow](), list[tuple[float, int]]()
    for elapsed, amount, restarts in steps:
        now += elapsed
        rows += add(windows, f"0.{amount:06}", now)
        events.append((now, amount))
        if restarts:
            windows = Windows(HOUR, [row for row in stored(*rows) if row.slice_at >= windows.oldest_at(now)])
        total = windows.sums(now).get(COST, Decimal(0)) * 10**6
        least, most = (sum(amount for at, amount in events if now - at <= HOUR - less) for less in (60, 0))
        assert least <= total <= most

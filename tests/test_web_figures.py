"""Numbers as people read them; spaces within are narrow and do not break."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web import figures
from exporter.web.status import Money

DASH = "\N{EN DASH}"
NOON = 1_800_000_000.0
"""2027-01-15 08:00:00 UTC."""


def plain(text: str) -> str:
    """Write narrow spaces as wide ones, after checking that there are no others but those around the dash."""
    assert " " not in text.replace(f" {DASH} ", "")
    return text.replace(figures.THIN, " ")


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567"), (100_000, "100 000")]
)
def test_counts_have_their_thousands_apart(number: int, shown: str) -> None:
    assert plain(figures.count(number)) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (0.0, "0 %"),
        (1e-9, "<0.1 %"),
        (0.0009, "<0.1 %"),
        (0.001, "0.1 %"),
        (0.5, "50 %"),
        (0.9666, "96.7 %"),
        (0.999, "99.9 %"),
        (0.9991, ">99.9 %"),
        (1 - 1e-9, ">99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_only_all_is_100_percent_and_only_none_is_0(ratio: float, shown: str) -> None:
    assert figures.percent(ratio).replace(figures.THIN, " ").replace("< ", "<").replace("> ", ">") == shown


@pytest.mark.parametrize(
    ("per_second", "shown"),
    [
        (0.0, "0"),
        (0.0034, "0.0034"),
        (0.05, "0.05"),
        (0.5, "0.5"),
        (1.0, "1"),
        (1.96, "2"),
        (6.46, "6.5"),
        (9.96, "10"),
        (10.0, "10"),
        (12.34, "12.3"),
        (99.96, "100"),
        (5000.4, "5 000"),
    ],
)
def test_rates_show_the_digits_that_matter(per_second: float, shown: str) -> None:
    assert plain(figures.rate(per_second)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0 s"),
        (0.04, "0 s"),
        (2.0, "2 s"),
        (2.54, "2.5 s"),
        (59.94, "59.9 s"),
        (59.95, "1 min"),
        (60.0, "1 min"),
        (65.4, "1 min 5 s"),
        (119.6, "2 min"),
        (3599.4, "59 min 59 s"),
        (3599.5, "1 h"),
        (3600.0, "1 h"),
        (7380.0, "2 h 3 min"),
        (86_369.0, "23 h 59 min"),
        (86_370.0, "1 d"),
        (86_400.0, "1 d"),
        (259_200.0, "3 d"),
        (270_000.0, "3 d 3 h"),
        (1e9, "11 574 d 2 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, shown: str) -> None:
    assert plain(figures.duration(seconds).replace(" ", figures.THIN)) == shown


@pytest.mark.parametrize(
    ("lower", "upper", "shown"),
    [
        (2.5, 4.8, "2.5 s - 4.8 s"),
        (2.59, 4.71, "2.5 s - 4.8 s"),
        (0.7, 2.3000001, "0.7 s - 2.3 s"),
        (0.0, 59.91, "0 s - 1 min"),
        (59.99, 61.2, "59.9 s - 1 min 2 s"),
        (3599.9, 3600.1, "59 min 59 s - 1 h 1 min"),
        (3540.2, 3541.0, "59 min - 59 min 1 s"),
        (4.75, 4.75, "4.8 s"),
        (0.0, 0.0, "0 s"),
    ],
)
def test_an_interval_is_rounded_apart(lower: float, upper: float, shown: str) -> None:
    assert figures.interval(lower, upper).replace(figures.THIN, " ").replace(DASH, "-") == shown


SIZES = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}


def seconds_of(text: str) -> Decimal:
    words = text.replace(f"{figures.THIN}", " ").split()
    return sum(
        (Decimal(number) * SIZES[unit] for number, unit in zip(words[::2], words[1::2], strict=True)), Decimal(0)
    )


@given(seconds=st.decimals(0, 80_000_000, places=3))
def test_rounded_durations_lie_on_their_side(seconds: Decimal) -> None:
    below, above = (seconds_of(figures.duration(float(seconds), way)) for way in (ROUND_FLOOR, ROUND_CEILING))
    assert below <= seconds <= above
    assert above - below <= max(Decimal("0.1"), seconds / 24)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-3.0, "0 s ago"),
        (0.9, "0 s ago"),
        (119.0, "119 s ago"),
        (120.0, "2 min ago"),
        (7_199.0, "119 min ago"),
        (7_200.0, "2 h ago"),
        (172_800.0, "2 d ago"),
        (86_400_000.0, "1 000 d ago"),
    ],
)
def test_how_long_ago_is_told_in_one_unit(seconds: float, shown: str) -> None:
    assert figures.ago(NOON - seconds, NOON).replace(figures.THIN, " ") == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00 USD"),
        ("0.05", "0.05 USD"),
        ("1.425", "1.425 USD"),
        ("2.6500", "2.65 USD"),
        ("5E-7", "0.0000005 USD"),
        ("1E+3", "1 000.00 USD"),
        ("1234567.10", "1 234 567.10 USD"),
        ("-0.5", "-0.50 USD"),
        ("12345678901234567890.123456789012345678901", "12 345 678 901 234 567 890.123456789012345678901 USD"),
    ],
)
def test_money_is_exact_and_names_its_currency(amount: str, shown: str) -> None:
    assert plain(figures.money(Money(Decimal(amount), "USD"))) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOON, "08:00:00"),
        (NOON - 8 * 3600, "00:00:00"),
        (NOON - 8 * 3600 - 1, "2027-01-14 23:59:59"),
        (NOON + 86_400.9, "2027-01-16 08:00:00"),
    ],
)
def test_a_time_names_its_day_unless_that_is_todays(at: float, shown: str) -> None:
    assert figures.moment(at, NOON) == shown


def test_times_are_utc() -> None:
    assert figures.day_and_time(NOON) == "2027-01-15 08:00:00"
    assert figures.timestamp(NOON) == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((0, 0, 0), []),
        ((1, 0, 0), [(0, 100), (100, 0), (100, 0)]),
        ((1, 1, 2), [(0, 25), (25, 25), (50, 50)]),
        ((1, 2), [(0, 33.333), (33.333, 66.667)]),
    ],
)
def test_a_bar_is_filled_by_its_parts(parts: tuple[int, ...], expected: list[tuple[float, float]]) -> None:
    assert figures.shares(parts) == expected

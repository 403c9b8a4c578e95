from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.durations import DURATION_PATTERN, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("2.5s", 2.5),
        ("5s", 5.0),
        ("2m", 120.0),
        ("72h", 259_200.0),
        ("1h30m", 5_400.0),
        ("1d", 86_400.0),
        ("2w", 1_209_600.0),
        ("1y", 31_536_000.0),
        ("1y2w3d4h5m6s7ms", 33_019_506.007),
        ("100y", 3_153_600_000.0),
    ],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1m1h", "1s1s", "1 s", "1s\n", ".5s", "1e3s", "٣s", "5M", "inf"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 500ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["101y", "9" * 5_000 + "s"])
def test_a_duration_longer_than_a_century_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 100y"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.5, "500ms"), (2.5, "2.5s"), (5.0, "5s"), (60.0, "1m"), (5_400.0, "1h30m"), (259_200.0, "72h")],
)
def test_a_duration_is_written_as_people_write_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=100 * 365 * 86_400 * 1_000))
def test_what_is_written_reads_as_the_same_duration(milliseconds: int) -> None:
    seconds = milliseconds / 1_000
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text() | st.from_regex(r"[0-9.]{1,9}(ms|[ywdhms])", fullmatch=True) | st.from_regex(DURATION_PATTERN))
def test_reading_gives_seconds_or_a_value_error_and_the_schema_agrees(text: str) -> None:
    fits_schema = re.search(DURATION_PATTERN, text) is not None and not text.endswith("\n")
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert not fits_schema or "100y" in str(error)  # noqa: PT017  # both ways are right
    else:
        assert fits_schema
        assert 0 <= seconds <= 100 * 365 * 86_400

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import parse_timestamp


@pytest.mark.parametrize(
    ("text", "unix_seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-01-23T10:30:00Z", 1_769_164_200.0),
        ("2026-01-23t12:30:00.5+02:00", 1_769_164_200.5),
        ("2026-01-23 10:30:00.123456789z", 1_769_164_200.123456),
    ],
)
def test_a_time_with_its_offset_is_read(text: str, unix_seconds: float) -> None:
    assert parse_timestamp(text) == unix_seconds


@pytest.mark.parametrize(
    "text", ["", "2026-01-23", "2026-01-23T10:30:00", "10:30:00Z", "1769164200", "20260123T103000Z"]
)
def test_a_time_without_its_offset_or_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time with its offset"):
        parse_timestamp(text)


@pytest.mark.parametrize("text", ["2026-02-30T10:30:00Z", "2026-01-23T24:30:00Z", "2026-01-23T10:30:00+25:00"])
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time that exists"):
        parse_timestamp(text)


@given(st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})", fullmatch=True))
def test_whatever_looks_like_a_time_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_timestamp(text), float)
    except ValueError as error:
        assert str(error).startswith("must be a time")  # noqa: PT017  # both ways are right

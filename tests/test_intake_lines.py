"""Bytes as lines, and a line as a message, whatever the bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.admission import Offer
from exporter.intake.lines import LONGEST_LINE_BYTES, Cut, cut, parse
from exporter.intake.wire import UnusableError

LONG = b"x" * (LONGEST_LINE_BYTES + 1)


def texts(found: Cut) -> list[bytes]:
    return [line for _, line in found.lines]


@pytest.mark.parametrize(
    ("data", "lines", "end"),
    [
        (b"", [], 0),
        (b"one", [], 0),
        (b"one\n", [(0, b"one")], 4),
        (b"one\ntw", [(0, b"one")], 4),
        (b"\n \n\r\none\r\n", [(5, b"one\r")], 10),
        (b"\0\0one\n\0two\n", [(2, b"one"), (7, b"two")], 11),
        (b"one\n\0\0", [(0, b"one")], 4),
        (b"on\0e\n", [(0, b"on\0e")], 5),
        (LONG[1:] + b"\n", [(0, LONG[1:])], LONGEST_LINE_BYTES + 1),
    ],
)
def test_bytes_are_cut_into_complete_lines_that_hold_something(
    data: bytes, lines: list[tuple[int, bytes]], end: int
) -> None:
    assert cut(data, 0, 100, skipping=False) == Cut(lines, [], end, skipping=False, more=False)


def test_a_line_too_long_is_left_out_with_or_without_its_end() -> None:
    assert cut(LONG + b"\none\n", 0, 9, skipping=False)[:2] == ([(len(LONG) + 1, b"one")], [0])
    assert cut(LONG, 0, 9, skipping=False) == Cut([], [0], len(LONG), skipping=True, more=False)
    assert cut(LONG, 0, 9, skipping=True) == Cut([], [], len(LONG), skipping=True, more=False)
    assert cut(b"xx\none\n", 0, 9, skipping=True) == Cut([(3, b"one")], [], 7, skipping=False, more=False)


def test_a_long_hole_is_passed_over_before_its_line_is_complete() -> None:
    hole = bytes(LONGEST_LINE_BYTES + 1)
    assert cut(hole, 0, 9, skipping=False) == Cut([], [], len(hole), skipping=False, more=False)
    assert cut(hole + b"on", 0, 9, skipping=False) == Cut([], [], len(hole), skipping=False, more=False)


@given(data=st.binary() | st.text("ab\n\0 ").map(str.encode), limit=st.integers(1, 5))
def test_cut_little_by_little_the_lines_are_the_same(data: bytes, limit: int) -> None:
    whole = cut(data, 0, 10_000, skipping=False)
    found: list[tuple[int, bytes]] = []
    at, more, skipping = 0, True, False
    while more:
        lines, too_long, at, skipping, more = cut(data, at, limit, skipping=skipping)
        assert len(lines) + len(too_long) <= limit
        found += lines
    assert found == whole.lines
    assert at == whole.end
    assert [line.strip(b"\0") for _, line in found if line.strip(b"\0")] == [
        line.strip(b"\0") for line in data.split(b"\n")[:-1] if line.lstrip(b"\0").strip()
    ]


def test_a_line_is_a_message() -> None:
    assert parse(b' {"messageId": "m1", "to": "+380501234567"}\r', "main") == Offer(id="m1", account="main")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"secret", "it is no JSON"),
        (b'{"messageId": "secret"', "it is no JSON"),
        (b'{"messageId": "\xff"}', "it is no JSON"),
        (b'{"messageId": "m1", "x": ' + b"[" * 60_000 + b"}", "it is no JSON"),
        (b'["secret"]', "Expected `object`, got `array`"),
        (b'{"id": "secret"}', "Object missing required field `messageId`"),
        (b'{"messageId": 380501234567}', "Expected `str`, got `int` - at `$.messageId`"),
        (b'{"messageId": "m1", "labels": {"secret": 1}}', "Expected `str`, got `int` - at `$.labels[...]`"),
        (b'{"messageId": "m1", "ttl": 1e999}', "Number out of range - at `$.ttl`"),
    ],
)
def test_a_line_that_is_no_message_is_refused_without_being_quoted(line: bytes, why: str) -> None:
    with pytest.raises(UnusableError) as refused:
        parse(line, "main")
    assert str(refused.value) == why


def test_a_send_time_that_is_none_is_refused() -> None:
    with pytest.raises(UnusableError, match="sentAt must be a time"):
        parse(b'{"messageId": "m1", "sentAt": "10:30"}', "main")


@given(st.binary())
def test_any_bytes_are_a_message_or_refused(line: bytes) -> None:
    try:
        parse(line, "main")
    except UnusableError:
        return

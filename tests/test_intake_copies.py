"""A file that begins as another one does: which of its lines are new."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.intake.copies import original_of, unread
from exporter.intake.position import Position
from exporter.intake.tail import Chunk, Tail

Opener = Callable[[str, bytes, int], Tail]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Give out open files of some content, of which so many lines are read."""
    tails: list[Tail] = []

    def make(name: str, content: bytes, lines: int) -> Tail:
        (tmp_path / name).write_bytes(content)
        found = (tmp_path / name).stat()
        tail = Tail(name, str(tmp_path / name), Position(found.st_dev, found.st_ino))
        tails.append(tail)
        assert tail.open()
        if lines:
            tail.position = read(tail, lines).position
        return tail

    yield make
    for tail in tails:
        tail.close()


def read(tail: Tail, limit: int = 100) -> Chunk:
    chunk = tail.read(limit)
    assert chunk is not None
    return chunk


def texts(chunk: Chunk | None) -> list[bytes] | None:
    return None if chunk is None else [line for _, line in chunk.lines]


@pytest.mark.parametrize(
    ("original_holds", "is_read", "copy_holds", "new", "parted"),
    [
        (b"1\n2\n3\n", 3, b"1\n2\n", [], False),
        (b"1\n2\n3\n", 2, b"1\n2\n", [], False),
        (b"1\n2\n3\n", 1, b"1\n2\n", None, False),
        (b"1\n2\n", 2, b"1\n2\na\n", [b"a"], True),
        (b"1\n2\n3\n", 3, b"1\n2\na\n", [b"a"], True),
        (b"1\n2\n3\n", 1, b"1\n2\na\n", None, False),
        (b"1\n22", 1, b"1\n23\n", [b"23"], True),
    ],
)
def test_what_the_original_brought_is_not_brought_again_and_what_it_will_bring_is_waited_for(
    opened: Opener, original_holds: bytes, is_read: int, copy_holds: bytes, new: list[bytes] | None, *, parted: bool
) -> None:
    original, copy = opened("log", original_holds, is_read), opened("log.1", copy_holds, 0)
    copy.original = original
    chunk = read(copy)
    found = unread(copy, original, chunk)
    assert texts(found) == new
    assert (copy.original is None) is parted
    assert found is None or found.position == chunk.position


def test_lines_too_long_are_not_counted_again(opened: Opener) -> None:
    long = b"x" * 70_000 + b"\n"
    original, copy = opened("log", long + b"1\n", 2), opened("log.1", long + b"1\n" + long, 0)
    copy.original = original
    found = unread(copy, original, read(copy))
    assert found is not None
    assert found.too_long == [len(long) + 2]


def test_an_original_that_was_emptied_unnoticed_is_waited_for(opened: Opener) -> None:
    original, copy = opened("log", b"1\n2\n", 2), opened("log.1", b"1\n2\n3\n", 0)
    os.truncate(original.path, 0)
    assert unread(copy, original, read(copy)) is None


def test_the_original_is_what_begins_alike_and_is_no_copy_itself(opened: Opener) -> None:
    original, other = opened("log", b"1\n2\n3\n", 2), opened("other", b"4\n", 1)
    copy, second = opened("log.1", b"1\n2\n", 0), opened("log.2", b"1\n", 0)
    for tail in (copy, second):
        read(tail)
    assert original_of(copy, [copy, other, original]) is original
    assert original_of(copy, [copy, other]) is None
    copy.original = original
    assert original_of(original, [original, copy, other]) is None
    assert original_of(second, [second, copy, original]) is original


def test_the_original_may_have_been_emptied_and_filled_again_unnoticed(opened: Opener) -> None:
    original, copy = opened("log", b"1\n2\n", 2), opened("log.1", b"1\n2\n", 0)
    Path(original.path).write_bytes(b"7\n8\n9\n")
    assert original_of(copy, [original, copy]) is original


def test_a_file_whose_name_leads_elsewhere_is_no_original(opened: Opener) -> None:
    original, copy = opened("log", b"1\n2\n", 2), opened("log.1", b"1\n2\n", 0)
    original.close()
    Path(original.path).unlink()
    assert original_of(copy, [original, copy]) is None
    assert unread(copy, original, read(copy)) is None

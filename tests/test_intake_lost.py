"""Positions of files that are not there, and how a file gets its own back."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from exporter.intake.lost import Lost, encode
from exporter.intake.position import Position
from exporter.intake.tail import Tail

OTHER = 999_999_999
"""An inode number of no file here."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text("1\n2\n3\n")
    return path


def opened(path: Path, lines: int = 0) -> Tail:
    found = path.stat()
    tail = Tail("", str(path), Position(found.st_dev, found.st_ino))
    tail.open()
    chunk = tail.read(max(1, lines))
    assert chunk is not None
    tail.position = chunk.position if lines else tail.position
    return tail


def read_to(path: Path, lines: int, **changes: object) -> str:
    """Return a stored position in a file of this content."""
    tail = opened(path, lines)
    tail.close()
    return encode(msgspec.structs.replace(tail.position, **changes))


def test_a_file_goes_on_where_one_of_the_same_content_was_left_which_is_noted(log: Path) -> None:
    lost, tail = Lost({"file:3": read_to(log, 2, inode=OTHER, gone_at=5.0)}), opened(log)
    assert lost.claim(tail)
    assert (tail.key, tail.position.offset, tail.position.inode) == ("file:3", 4, log.stat().st_ino)
    assert lost.notes == {"file:3": encode(tail.position)}
    assert tail.position.gone_at is None
    assert not lost.claim(opened(log)), "a position is given back once"
    tail.close()


def test_a_file_keeps_its_own_key_and_goes_on_from_the_furthest_place(log: Path) -> None:
    stored = {
        "file:1": read_to(log, 1),
        "file:2": read_to(log, 3, inode=OTHER),
        "file:3": read_to(log, 2, inode=OTHER),
    }
    lost, tail = Lost(stored), opened(log)
    assert lost.claim(tail)
    assert (tail.key, tail.position.offset) == ("file:1", 6)
    tail.close()


@pytest.mark.parametrize("content", ["1\n2\n", "1\n2\n4\n", ""])
def test_content_that_is_shorter_or_other_is_no_match_even_in_the_same_file(log: Path, content: str) -> None:
    lost = Lost({"file:1": read_to(log, 3)})
    log.write_text(content)
    tail = opened(log)
    assert not lost.claim(tail)
    tail.close()


def test_positions_of_other_sources_are_not_touched(log: Path) -> None:
    lost = Lost({"else": "?", "file:7": read_to(log, 1)})
    assert lost.new_key() == "file:8"
    for now in (0.0, 1e9, 2e9):
        lost.age(now)
    assert lost.notes == {"file:7": None}


def test_what_is_gone_is_noted_when_it_goes_and_forgotten_a_week_later(log: Path) -> None:
    lost, tail = Lost({}), opened(log, 2)
    tail.key = lost.new_key()
    tail.close()
    lost.keep(tail)
    lost.age(100.0)
    assert lost.notes == {"file:1": encode(msgspec.structs.replace(tail.position, gone_at=100.0))}
    lost.notes.clear()
    lost.age(100.0 + 7 * 86_400)
    assert lost.notes == {}
    lost.age(101.0 + 7 * 86_400)
    assert lost.notes == {"file:1": None}

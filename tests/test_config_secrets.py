from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.config import Secret, SecretError, SecretReader


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("first\n")
    return path


def test_a_secret_given_as_text_is_its_value() -> None:
    reader = SecretReader(Secret(text=SecretStr("inline")))
    assert (reader.current(), reader.reread(), reader.problem) == ("inline", "inline", None)


def test_a_secret_never_shows_in_its_repr() -> None:
    assert "inline" not in repr(Secret(text=SecretStr("inline")))


@pytest.mark.parametrize("content", [b"key", b"key\n", b"key\r\n"])
def test_one_newline_at_the_end_of_the_file_is_no_part_of_the_secret(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert SecretReader(Secret(path=file)).current() == "key"


def test_a_changed_file_is_read_again(file: Path) -> None:
    reader = SecretReader(Secret(path=file))
    file.write_text("second secret\n")
    assert reader.current() == "second secret"


def test_a_file_that_was_replaced_is_read_again_though_size_and_time_are_the_same(file: Path) -> None:
    reader = SecretReader(Secret(path=file))
    before = file.stat()
    new = file.with_name("new")
    new.write_text("other\n")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)
    assert reader.current() == "other"


def test_an_unchanged_file_is_not_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SecretReader(Secret(path=file))
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    assert reader.current() == "first"


def test_after_a_refusal_the_file_is_read_whatever_its_state_says(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = SecretReader(Secret(path=file))
    same = file.stat()
    file.write_text("other\n")
    monkeypatch.setattr(Path, "stat", lambda _: same)
    assert (reader.current(), reader.reread()) == ("first", "other")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two\nlines", "must be a single line of printable characters"),
        (b"two\n\n", "must be a single line of printable characters"),
        (b"\x00", "must be a single line of printable characters"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 70_000, "is longer than 64 KiB"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_turns_bad_keeps_the_old_secret_until_it_is_good_again(
    file: Path, content: bytes | None, problem: str
) -> None:
    reader = SecretReader(Secret(path=file))
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    assert (reader.current(), reader.problem) == ("first", problem)
    file.write_text("second\n")
    assert (reader.current(), reader.problem) == ("second", None)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SecretError, match="is not a regular file"):
        SecretReader(Secret(path=tmp_path / "pipe"))


def test_a_reader_does_not_start_without_a_secret(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="is empty"):
        SecretReader(Secret())
    with pytest.raises(SecretError, match="cannot be read"):
        SecretReader(Secret(path=tmp_path / "missing"))

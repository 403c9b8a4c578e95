from __future__ import annotations

import io
from pathlib import Path

import pytest

from exporter.track.ids import gather, parse
from exporter.track.problems import UsageError

RULE = "not a message id, which must match [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}"


def nobody() -> io.BytesIO:
    return io.BytesIO()


def problems(arguments: list[str], file: str | None = None, stdin: bytes = b"") -> tuple[str, ...]:
    with pytest.raises(UsageError) as raised:
        gather(arguments, file, io.BytesIO(stdin))
    return raised.value.lines


def test_each_id_is_meant_once_in_the_order_given() -> None:
    assert gather(["b", "a", "b"], None, nobody()) == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a\r\nb", ["a", "b"]),
        ("\n  a  \n\n# all of these\n#b\nc # the third\n", ["a", "c"]),
        ("\ufeffa\n", ["a"]),
        ("-dash\nwith.dots:and-colons_\n", ["-dash", "with.dots:and-colons_"]),
    ],
)
def test_a_file_has_an_id_a_line_with_blank_lines_and_comments_left_out(
    content: str, ids: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(content.encode())
    assert gather([], str(file), nobody()) == ids
    assert gather([], "-", io.BytesIO(content.encode())) == ids


def test_ids_of_a_file_come_after_those_of_the_command_line() -> None:
    assert gather(["c", "a"], "-", io.BytesIO(b"a\nb\n")) == ["c", "a", "b"]


def test_standard_input_is_left_alone_unless_it_is_meant() -> None:
    stdin = io.BytesIO(b"a\n")
    assert gather(["b"], None, stdin) == ["b"]
    assert stdin.read() == b"a\n"


def test_everything_that_is_no_id_is_named_by_its_place_and_not_quoted() -> None:
    lines = problems(["good", "bad id"], "-", b"good\n+380501112233\n\n\xff\xfe\n" + b"x" * 129 + b"\n")
    assert lines == (
        f"argument 2: {RULE}",
        f"standard input:2: {RULE}",
        f"standard input:4: {RULE}",
        f"standard input:5: {RULE}",
    )


@pytest.mark.parametrize("text", ["", " ", "a/b", "../x", "%2e%2e", ".hidden", "a\nb", "a b", "ж", "x" * 129])
def test_what_could_become_another_url_is_no_id(text: str) -> None:
    assert problems([text]) == (f"argument 1: {RULE}",)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n"])
def test_a_file_without_ids_is_no_use(content: bytes) -> None:
    assert problems([], "-", content)[0].startswith("no message ids: ")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    assert problems([], str(tmp_path / "none.txt")) == (
        f"{tmp_path}/none.txt: cannot be read: No such file or directory",
    )
    assert problems([], str(tmp_path)) == (f"{tmp_path}: cannot be read: Is a directory",)


def test_lines_are_counted_from_one_with_those_that_are_left_out() -> None:
    assert list(parse("f", ["# x", "", "a", " b#c"])) == [("f:3", "a"), ("f:4", "b")]

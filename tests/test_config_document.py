from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import document
from exporter.config.document import UnreadableError, Value, read_document
from exporter.config.problems import Fault, KeyPath
from exporter.config.scalars import Plain, expand

TEXT = b"""\
accounts:
  - name: main
    auth: {method: header}
channels: [a,
           b]
"""


@pytest.fixture(params=["C", "Python"], autouse=True)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Python":
        monkeypatch.setattr(document, "_LOADER", yaml.BaseLoader)


@pytest.mark.parametrize(
    "word",
    ["no", "yes", "true", "12:30:00", "1e3", "007", "0x10", "2026-01-23", "2026-01-23T10:30:00Z", "1_000", ".inf"],
)
def test_a_scalar_keeps_the_text_that_was_written(word: str) -> None:
    assert read_document(f"key: {word}".encode(), {}).value == {"key": word}


def test_quoted_text_is_told_from_plain_text() -> None:
    value = read_document(b"plain: 5\nquoted: '5'", {}).value
    assert isinstance(value, dict)
    assert isinstance(value["plain"], Plain)
    assert not isinstance(value["quoted"], Plain)


@pytest.mark.parametrize(
    ("path", "at_key", "place"),
    [
        ((), False, (1, 1)),
        (("accounts",), False, (1, 1)),
        (("accounts", 0), False, (2, 5)),
        (("accounts", 0, "name"), False, (2, 11)),
        (("accounts", 0, "name"), True, (2, 5)),
        (("accounts", 0, "auth"), False, (3, 5)),
        (("accounts", 0, "auth", "method"), False, (3, 20)),
        (("accounts", 0, "auth", "missing"), False, (3, 5)),
        (("accounts", 7, "name"), False, (1, 1)),
        (("channels", 1), False, (5, 12)),
    ],
)
def test_every_value_knows_its_place(path: KeyPath, at_key: bool, place: tuple[int, int]) -> None:  # noqa: FBT001
    assert read_document(TEXT, {}).locate(path, at_key=at_key) == place


@pytest.mark.parametrize(
    ("text", "value", "faults"),
    [
        (b"", None, []),
        (b"\xef\xbb\xbfa: b", {"a": "b"}, []),
        (b"a: ${X}-$${X}-$X", {"a": "x-${X}-$X"}, []),
        (b"a: {b: [c, ]}", {"a": {"b": ["c"]}}, []),
        (b"a: [b, ~]", {"a": ["b", None]}, [("a", 1)]),
        (b"a: {b: {c: 1, c: 2}}", {"a": {"b": {"c": "2"}}}, [("a", "b", "c")]),
        (b"a: [b, {c: '$${UNSET}'}, '${UNSET}']", {"a": ["b", {"c": "${UNSET}"}, "${UNSET}"]}, [("a", 2)]),
    ],
)
def test_a_document_is_read_with_what_is_wrong_in_it(text: bytes, value: Value, faults: list[KeyPath]) -> None:
    read = read_document(text, {"X": "x"})
    assert read.value == value
    assert [fault.path for fault in read.faults] == faults


def test_a_variable_may_hold_a_number_and_is_not_expanded_again() -> None:
    expanded = expand(Plain("${A}${B}"), {"A": "1", "B": "${A}"})
    assert expanded == "1${A}"
    assert isinstance(expanded, Plain)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"- " * 1_000 + b"a", b"{a: " * 100_000])
def test_deep_nesting_is_refused_and_overflows_no_stack(text: bytes) -> None:
    with pytest.raises(UnreadableError, match="nested too deeply"):
        read_document(text, {})


@given(st.binary() | st.text("ab:-[]{}&*!|>'\"%@`#?,\n \t$~<", max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_unreadable(content: bytes) -> None:
    try:
        read = read_document(content, {})
    except UnreadableError:
        return
    assert all(isinstance(fault, Fault) for fault in read.faults)

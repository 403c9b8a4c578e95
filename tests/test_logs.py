"""Log lines, as text and as JSON, with texts that try to break out of them."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs import Format, Level, Value, fields, setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMATS: tuple[Format, ...] = ("logfmt", "json")


@pytest.fixture(autouse=True)
def untouched_root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(log: Callable[[logging.Logger], None], fmt: Format, level: Level = "debug") -> str:
    stream = io.StringIO()
    setup(level, fmt, stream)
    log(logging.getLogger("exporter.poller"))
    return stream.getvalue()


def as_json(log: Callable[[logging.Logger], None]) -> dict[str, Value]:
    return cast("dict[str, Value]", json.loads(written(log, "json")))


def at_fixed_time(record: logging.LogRecord) -> bool:
    record.created = 1_795_428_000.123456
    return True


def logs_a_poll(log: logging.Logger) -> None:
    log.addFilter(at_fixed_time)
    log.info("poll failed", extra=fields(account="main", status=429, wait_seconds=1.5, paused=True, last=None))
    log.removeFilter(at_fixed_time)


def test_a_logfmt_line_has_time_level_logger_message_and_fields() -> None:
    assert written(logs_a_poll, "logfmt") == (
        'ts=2026-11-23T10:00:00.123Z level=info logger=exporter.poller msg="poll failed" '
        "account=main status=429 wait_seconds=1.5 paused=true last=null\n"
    )


def test_a_json_line_has_the_same() -> None:
    assert list(as_json(logs_a_poll).items()) == [
        ("ts", "2026-11-23T10:00:00.123Z"),
        ("level", "info"),
        ("logger", "exporter.poller"),
        ("msg", "poll failed"),
        ("account", "main"),
        ("status", 429),
        ("wait_seconds", 1.5),
        ("paused", True),
        ("last", None),
    ]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warn", "error", "error"]),
        ("info", ["info", "warn", "error", "error"]),
        ("warn", ["warn", "error", "error"]),
        ("error", ["error", "error"]),
    ],
)
def test_a_level_hides_what_is_below_it_and_is_named_as_in_prometheus(level: Level, expected: list[str]) -> None:
    def log_all(log: logging.Logger) -> None:
        for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            log.log(number, "x")

    assert re.findall(r"level=(\w+)", written(log_all, "logfmt", level)) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain-value_1.2:3/4", "plain-value_1.2:3/4"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("line\nbreak\r", r'"line\nbreak\r"'),
        ("\x1b[31mred\x07\x7f", r'"\u001b[31mred\u0007\u007f"'),
        ("\x85\u2028\u2029", r'"\u0085\u2028\u2029"'),
        ("right\u202eto left", r'"right\u202eto left"'),
        ("\udc80", r'"\udc80"'),
        ("\U000e0001", r'"\udb40\udc01"'),
        ("доставлено", '"доставлено"'),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_logfmt_value_is_quoted_and_escaped_when_it_must_be(value: Value, shown: str) -> None:
    line = written(lambda log: log.info("x", extra=fields(value=value)), "logfmt")
    assert line.endswith(f" msg=x value={shown}\n")


@pytest.mark.parametrize("fmt", FORMATS)
@given(message=st.text(), value=st.text(), key=st.text(max_size=20))
def test_no_text_breaks_its_line_or_its_value(fmt: Format, message: str, value: str, key: str) -> None:
    line = written(lambda log: log.info("%s", message, extra={"fields": {key: value}}), fmt)
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    if fmt == "json":
        assert len(json.loads(line)) in {4, 5}
        assert json.loads(line)["msg"] == message
    else:
        assert re.fullmatch(r'([A-Za-z0-9_.]+=([^\s"=]+|"(\\.|[^"\\])*")( (?=.)|\n)){4,5}', line)


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_forged_line_stays_inside_its_value(fmt: Format) -> None:
    forged = 'x"\nts=2026-11-23T10:00:00Z level=error msg="all is lost'
    assert written(lambda log: log.info("got", extra=fields(status=forged)), fmt).count("\n") == 1


def test_a_value_from_outside_is_cut_to_200_characters() -> None:
    entry = as_json(lambda log: log.info("x", extra=fields(whole="a" * 200, long="b" * 201)))
    assert entry["whole"] == "a" * 200
    assert entry["long"] == "b" * 199 + "…"


def test_a_message_is_cut_to_1000_characters() -> None:
    assert as_json(lambda log: log.info("%s", "b" * 5000))["msg"] == "b" * 999 + "…"


def test_a_field_cannot_pose_as_one_of_ours() -> None:
    entry = as_json(lambda log: log.info("x", extra=fields(level="fatal", msg="y", other=1)))
    assert (entry["level"], entry["msg"], entry["other"]) == ("info", "x", 1)


def fails_with(error: Exception) -> Callable[[logging.Logger], None]:
    def log(log: logging.Logger) -> None:
        try:
            raise error
        except type(error):
            log.exception("it failed")

    return log


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_exception_is_one_line_with_its_type_and_place_but_not_its_text(fmt: Format) -> None:
    line = written(fails_with(KeyError("+380501234567\nkey")), fmt)
    assert line.count("\n") == 1
    assert "KeyError" in line
    assert re.search(r"test_logs\.py:\d+ log", line)
    assert "38050" not in line


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (OSError(28, "made up", "/secret"), "OSError: No space left on device"),
        (OSError("made up"), "OSError"),
        (socket.gaierror(-2, "made up"), "socket.gaierror"),
        (json.JSONDecodeError("made up", "", 0), "json.decoder.JSONDecodeError"),
    ],
)
def test_an_error_is_named_and_the_system_gives_its_own_reason(error: Exception, shown: str) -> None:
    assert as_json(fails_with(error))["error"] == shown


def test_setting_up_again_replaces_the_stream() -> None:
    first, second = io.StringIO(), io.StringIO()
    setup("info", "logfmt", first)
    setup("info", "logfmt", second)
    logging.getLogger("exporter").info("x")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)

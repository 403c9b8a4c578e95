from __future__ import annotations

import asyncio
import errno
import io
import os
import signal
from collections.abc import Sequence

import pytest

from exporter.track.board import Board
from exporter.track.exits import Exit
from exporter.track.problems import CannotTrackError
from exporter.track.progress import Lines
from exporter.track.report import Report
from exporter.track.running import Follow, Tell, run
from tests.virtual_time import in_virtual_time

LONG_SECONDS = 600.0


def ended(message_id: str, outcome: str = "delivered") -> Report:
    return Report(message_id=message_id, final=True, outcome=outcome)


def show(reports: Sequence[Report]) -> str:
    return " ".join(f"{report.message_id}={report.outcome}" for report in reports)


async def outcome_of(follow: Follow, seconds: float = LONG_SECONDS) -> tuple[int, str]:
    """Wait for the messages a and b; return the exit code, and what was told meanwhile."""
    board, errors = Board(["a", "b"]), io.StringIO()
    return await run(board, follow, Lines(board, errors), seconds, show), errors.getvalue()


async def delivers(board: Board, _: Tell) -> None:
    board.put(ended("a"))
    board.put(ended("b"))


async def fails_one(board: Board, tell: Tell) -> None:
    board.put(ended("a", "undeliverable"))
    tell("half of it is over")
    board.put(ended("b"))


async def delivers_one(board: Board, _: Tell) -> None:
    board.put(ended("b"))
    await asyncio.get_running_loop().create_future()


async def gives_up(board: Board, _: Tell) -> None:
    board.put(ended("b"))


async def test_all_delivered_is_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert await outcome_of(delivers) == (0, "a: delivered (1/2)\nb: delivered (2/2)\n")
    assert capsys.readouterr().out == "a=delivered b=delivered\n"


async def test_one_that_failed_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = await outcome_of(fails_one)
    assert (code, told) == (1, "a: undeliverable (1/2)\nhalf of it is over\nb: delivered (2/2)\n")
    assert capsys.readouterr().out == "a=undeliverable b=delivered\n"


@in_virtual_time
async def test_one_that_is_open_when_the_wait_is_over_is_2() -> None:
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    code, told = await outcome_of(delivers_one, 90.0)
    assert (code, told) == (2, "b: delivered (1/2)\n")
    assert loop.time() - began_at == pytest.approx(90.0, abs=1.0)


async def test_whoever_follows_may_stop_a_little_earlier() -> None:
    assert (await outcome_of(gives_up))[0] == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_the_wait_and_what_is_known_is_shown(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def is_interrupted(board: Board, _: Tell) -> None:
        board.put(ended("a"))
        os.kill(os.getpid(), number)
        await asyncio.get_running_loop().create_future()

    assert (await outcome_of(is_interrupted))[0] == code
    assert capsys.readouterr().out == "a=delivered b=None\n"


async def test_what_is_noted_while_it_stops_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async def looks_once_more(board: Board, _: Tell) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.get_running_loop().create_future()
        finally:
            board.put(ended("b"))

    await outcome_of(looks_once_more)
    assert capsys.readouterr().out == "a=None b=delivered\n"


async def test_why_nothing_can_be_said_is_said_in_place_of_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    async def cannot(_: Board, __: Tell) -> None:
        raise CannotTrackError(Exit.UNAVAILABLE, "the exporter is gone")

    assert (await outcome_of(cannot))[0] == 69
    assert capsys.readouterr() == ("", "smsbat-exporter: the exporter is gone\n")


async def test_a_failure_that_nobody_foresaw_is_not_mistaken_for_one_of_the_messages(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(_: Board, __: Tell) -> None:
        raise RuntimeError("text of a message")

    assert (await outcome_of(breaks))[0] == 70
    assert capsys.readouterr().out == ""
    assert [record.message for record in caplog.records] == ["tracking failed in a way that nobody foresaw"]


@pytest.mark.parametrize(("number", "code"), [(errno.EPIPE, 0), (errno.ENOSPC, 74)])
async def test_a_reader_who_has_had_enough_changes_nothing_and_a_full_disk_does(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_end, write_end = os.pipe()

    class Broken(io.StringIO):
        def flush(self) -> None:
            raise OSError(number, os.strerror(number))

        def fileno(self) -> int:
            return write_end

    monkeypatch.setattr("sys.stdout", Broken())
    assert (await outcome_of(delivers))[0] == code
    os.close(read_end)
    os.close(write_end)
    said = "smsbat-exporter: the result cannot be written: No space left on device\n"
    assert capsys.readouterr().err == (said if code else "")

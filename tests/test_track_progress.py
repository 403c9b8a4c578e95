from __future__ import annotations

import io

import pytest

from exporter.track.board import Board
from exporter.track.progress import Bar, Lines, progress
from exporter.track.report import Report


class Screen(io.StringIO):
    """A terminal that keeps what was written."""

    def isatty(self) -> bool:
        return True

    @property
    def line(self) -> str:
        """What stands on the last line."""
        shown: list[str] = []
        place = 0
        for each in self.getvalue().rpartition("\n")[2]:
            if each == "\r":
                place = 0
            else:
                shown[place : place + 1] = each
                place += 1
        return "".join(shown).rstrip()


class Broken(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError


def ended(message_id: str, outcome: str = "delivered") -> Report:
    return Report(message_id=message_id, final=True, outcome=outcome)


@pytest.mark.parametrize(
    ("stream", "env", "kind"),
    [
        (Screen(), {"TERM": "xterm"}, Bar),
        (Screen(), {}, Bar),
        (Screen(), {"TERM": "dumb"}, Lines),
        (io.StringIO(), {"TERM": "xterm"}, Lines),
    ],
)
def test_a_bar_is_for_terminals_that_can_go_back(stream: io.StringIO, env: dict[str, str], kind: type) -> None:
    assert isinstance(progress(Board(["a"]), stream, env, 60.0), kind)


def test_a_line_tells_of_each_end_and_the_time_of_none() -> None:
    board, stream = Board(["a", "b"]), io.StringIO()
    lines = Lines(board, stream)
    board.on_end = lines.ended
    board.put(ended("b"))
    lines.tick(1.0)
    lines.say("look")
    board.put(ended("a", "undeliverable"))
    lines.close()
    assert stream.getvalue() == "b: delivered (1/2)\nlook\na: undeliverable (2/2)\n"


def test_the_bar_shows_how_far_it_is() -> None:
    board, screen = Board(["a", "b", "c", "d"]), Screen()
    bar = Bar(board, screen, 3700.0, coloured=False)
    board.on_end = bar.ended
    bar.tick(0.0)
    assert screen.line == "[------------------------] 0/4  0 delivered, 0 failed, 4 open  0:00 of 1:01:40"
    board.put(ended("b"))
    bar.tick(61.9)
    assert screen.line == "[######------------------] 1/4  1 delivered, 0 failed, 3 open  1:01 of 1:01:40"
    for each in "acd":
        board.put(ended(each, "undeliverable"))
    assert screen.line.startswith("[########################] 4/4  1 delivered, 3 failed, 0 open")


def test_the_bar_leaves_nothing_behind() -> None:
    screen = Screen()
    bar = Bar(Board(["a"]), screen, 60.0, coloured=False)
    bar.tick(1.0)
    bar.close()
    assert screen.line == ""
    assert screen.getvalue().endswith("\r")


def test_a_shorter_bar_leaves_nothing_of_a_longer_one() -> None:
    screen = Screen()
    bar = Bar(Board(["a"]), screen, 50.0, coloured=False)
    bar.tick(3600.0)
    bar.tick(0.0)
    assert screen.line.endswith("1 open  0:00 of 0:50")


def test_the_bar_never_fills_a_line_of_the_terminal() -> None:
    board, screen = Board([str(number) for number in range(100_000)]), Screen()
    Bar(board, screen, 6000.0, coloured=False).tick(3600.0)
    assert len(screen.line) == 79


def test_what_is_said_stands_above_the_bar() -> None:
    screen = Screen()
    bar = Bar(Board(["a"]), screen, 60.0, coloured=False)
    bar.tick(0.0)
    bar.say("look")
    above, _, _ = screen.getvalue().rpartition("\n")
    assert above.rpartition("\r")[2] == "look"
    assert screen.line.startswith("[")


@pytest.mark.parametrize(("outcome", "colour"), [("delivered", "\x1b[32m"), ("undeliverable", "\x1b[31m")])
def test_the_bar_is_green_until_a_message_fails(outcome: str, colour: str) -> None:
    board, screen = Board(["a", "b"]), Screen()
    shown = progress(board, screen, {"TERM": "xterm"}, 60.0)
    board.on_end = shown.ended
    board.put(ended("a", outcome))
    assert f"\r{colour}[############------------]\x1b[0m 1/2" in screen.getvalue()


def test_no_color_means_no_escape_sequence_at_all() -> None:
    screen = Screen()
    shown = progress(Board(["a"]), screen, {"TERM": "xterm", "NO_COLOR": "1"}, 60.0)
    shown.tick(1.0)
    shown.say("look")
    shown.close()
    assert "\x1b" not in screen.getvalue()


def test_nobody_who_reads_the_progress_is_no_trouble() -> None:
    board = Board(["a"])
    bar = Bar(board, Broken(), 60.0, coloured=True)
    bar.tick(1.0)
    bar.close()
    lines = Lines(board, Broken())
    lines.say("look")

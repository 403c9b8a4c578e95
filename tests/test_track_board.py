from __future__ import annotations

from exporter.track.board import Board
from exporter.track.report import Report


def ended(message_id: str, outcome: str = "delivered") -> Report:
    return Report(message_id=message_id, final=True, outcome=outcome)


def test_messages_keep_the_order_in_which_they_were_given() -> None:
    board = Board(["b", "a", "c"])
    board.put(ended("c"))
    assert [report.message_id for report in board.reports] == ["b", "a", "c"]
    assert (len(board), board.open, board.open_count) == (3, ["b", "a"], 2)


def test_every_end_counts_once_and_stays_as_it_is() -> None:
    board, told = Board(["a"]), list[Report]()
    board.on_end = told.append
    board.put(Report(message_id="a", status="processing"))
    assert (board.open_count, told) == (1, [])
    board.put(ended("a"))
    board.put(ended("a", "undeliverable"))
    board.put(Report(message_id="a", status="processing"))
    assert (board.delivered, board.failed, board.open_count) == (1, 0, 0)
    assert board.reports == told == [ended("a")]


def test_a_message_that_nobody_waits_for_is_none_of_its() -> None:
    board = Board(["a"])
    board.put(ended("b"))
    assert (len(board), board.delivered, board.open) == (1, 0, ["a"])

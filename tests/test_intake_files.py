"""The loop around the files: what is offered, what is stored with it, and what happens when it is not let in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from exporter.intake.files import Files, unreadable
from tests.lab import Lab, account, config
from tests.virtual_time import DAY, in_virtual_time

RESULTS: Final = ("accepted", "duplicate", "rejected")


def write(path: Path, *lines: object) -> None:
    with path.open("a") as file:
        file.write("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def messages(*numbers: int) -> list[dict[str, object]]:
    return [{"messageId": f"m{number}"} for number in numbers]


def lab_of(path: Path, **given: Any) -> Lab:  # noqa: ANN401
    """Return a lab whose store is a file and whose configuration names `*.jsonl` of the folder."""
    return Lab(path / "store", intake={"files": [f"{path}/*.jsonl"], **given.pop("intake", {})}, **given)


@asynccontextmanager
async def following(lab: Lab) -> AsyncIterator[Files]:
    """Follow the files while the block lasts."""
    ended: list[asyncio.Task[None]] = []
    files = Files(lab.core.admission, lab.core.writer, lab.core.clock, ended.append)
    files.follow(lab.core.config)
    try:
        yield files
    finally:
        await files.stop()
    assert all(task.cancelled() for task in ended)


def taken_in(lab: Lab) -> tuple[float, ...]:
    """Return how many lines were accepted, duplicates and rejected."""
    return tuple(lab.shown("exporter_intake", source="file", result=result) or 0 for result in RESULTS)


@in_virtual_time
async def test_a_line_is_tracked_as_it_says_under_the_first_account_unless_it_names_one(tmp_path: Path) -> None:
    full = {"messageId": "m2", "account": "two", "channel": "sms", "ttl": 60, "labels": {"campaign": "spring"}}
    write(tmp_path / "a.jsonl", *messages(1), {**full, "to": "+380501234567", "sentAt": "2027-01-15T07:59:00Z"})
    lab = lab_of(tmp_path, accounts=[account("one"), account("two")], labels={"campaign": {}})
    async with lab, following(lab):
        await lab.until(lambda: taken_in(lab) == (2, 0, 0))
        assert lab.shown("messages_accepted", account="one", channel="unknown") == 1
        assert lab.shown("messages_accepted", account="two", channel="sms", campaign="spring") == 1
        columns = lab.core.in_flight.columns
        assert columns.ttl[lab.slot("m2", "two")] == 60
        assert columns.sent_at[lab.slot("m2", "two")] == lab.clock.at - 60


@in_virtual_time
async def test_messages_and_positions_are_one_transaction_of_limited_size(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", *messages(*range(2_500)))
    write(tmp_path / "b.jsonl", *messages(*range(2_500, 2_600)))
    lab = lab_of(tmp_path)
    async with lab, following(lab):
        await lab.until(lambda: taken_in(lab) == (2_600, 0, 0))
        sizes = [(len(batch.accepted), bool(batch.positions)) for batch in lab.store.batches]
        assert [size for size, stored in sizes if stored] == [1_000, 1_000, 600]
        assert not any(size for size, stored in sizes if not stored)


@pytest.mark.parametrize("durable", [False, True])
@in_virtual_time
async def test_death_around_the_commit_loses_no_line_and_takes_none_twice(tmp_path: Path, *, durable: bool) -> None:
    write(tmp_path / "a.jsonl", *messages(1, 2, 3))
    lab = lab_of(tmp_path)
    async with lab:
        async with following(lab):
            if durable:
                lab.store.fails_late = 1_000
            else:
                lab.store.fails = 1_000
            await lab.until(lambda: any(batch.positions for batch in lab.store.batches))
            assert taken_in(lab) == (0, 0, 0)
            await lab.kill()
        await lab.start()
        async with following(lab):
            write(tmp_path / "a.jsonl", *messages(4))
            await lab.until(lambda: taken_in(lab) == (4, 0, 0))


@in_virtual_time
async def test_a_store_that_fails_for_a_while_delays_the_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", *messages(1, 2, 3))
    lab = lab_of(tmp_path)
    async with lab, following(lab):
        lab.store.fails = 5
        await lab.until(lambda: taken_in(lab) == (3, 0, 0))
        assert lab.store.fails == 0


@in_virtual_time
async def test_ids_that_come_again_are_duplicates_and_unusable_lines_are_rejected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "a.jsonl", *messages(1, 1), "+380501234567", {"messageId": "a/b"}, "", *messages(2))
    write(tmp_path / "b.jsonl", *messages(2), {"messageId": "m3", "account": "none"}, "x" * 70_000)
    lab = lab_of(tmp_path)
    async with lab, following(lab):
        await lab.until(lambda: sum(taken_in(lab)) == 8)
        assert taken_in(lab) == (2, 2, 4)
        write(tmp_path / "a.jsonl", "worse")
        await lab.until(lambda: sum(taken_in(lab)) == 9)
    told = [record.__dict__["fields"] for record in caplog.records if "no message" in record.message]
    assert [(Path(each["path"]).name, each["at_byte"], each["why"]) for each in told] == [
        ("a.jsonl", 40, "it is no JSON"),
        ("b.jsonl", 59, "the line is too long"),
    ]


@in_virtual_time
async def test_lines_that_do_not_fit_wait_until_they_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "a.jsonl", *messages(*range(100)))
    lab = lab_of(tmp_path, intake={"max_in_flight": 30})
    loop = asyncio.get_running_loop()
    async with lab, following(lab) as files:
        began_at = loop.time()
        await lab.until(lambda: bool(files.problems()))
        assert files.problems() == ["files wait: intake.max_in_flight is reached"]
        assert taken_in(lab) == (30, 0, 0)
        assert loop.time() - began_at < 1, "fewer lines are tried at once"
        for number in range(10):
            lab.answer(f"m{number}", "delivered")
            await lab.wait(2)
        await lab.until(lambda: taken_in(lab) == (40, 0, 0))
        lab.reload(intake={"files": [f"{tmp_path}/*.jsonl"], "max_in_flight": 1_000})
        before = len(lab.store.batches)
        await lab.until(lambda: taken_in(lab) == (100, 0, 0))
        assert len(lab.store.batches) - before < 20, "more and more lines are tried"
        await lab.until(lambda: not files.problems())
    assert sum("files wait" in record.message for record in caplog.records) == 1


@in_virtual_time
async def test_lines_that_are_gone_wait_no_longer(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", *messages(1, 2))
    lab = lab_of(tmp_path, intake={"max_in_flight": 1})
    async with lab, following(lab) as files:
        await lab.until(lambda: bool(files.problems()))
        (tmp_path / "a.jsonl").write_text("")
        await lab.until(lambda: not files.problems())


@in_virtual_time
async def test_positions_are_stored_once_and_forgotten_a_week_after_their_file(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", *messages(1))
    lab = lab_of(tmp_path)
    async with lab:
        async with following(lab):
            await lab.until(lambda: taken_in(lab) == (1, 0, 0))
        async with following(lab):
            await lab.wait(3)
            write(tmp_path / "a.jsonl", *messages(2))
            await lab.until(lambda: taken_in(lab) == (2, 0, 0))
            quiet = len(lab.store.batches)
            await lab.wait(5)
            assert not any(batch.positions for batch in lab.store.batches[quiet:])
        (tmp_path / "a.jsonl").unlink()
        async with following(lab):
            await lab.wait(3)
            lab.clock.at += 8 * DAY
            await lab.wait(3)
        assert await lab.core.writer.call(lambda store: store.positions()) == {}


@in_virtual_time
async def test_when_it_stops_every_file_is_closed(tmp_path: Path) -> None:
    lab = lab_of(tmp_path)
    async with lab:
        before = open_files()
        write(tmp_path / "a.jsonl", *messages(1))
        async with following(lab):
            await lab.until(lambda: taken_in(lab) == (1, 0, 0))
            assert open_files() == before + 1
        assert open_files() == before


@in_virtual_time
async def test_a_new_configuration_counts_from_the_next_look_on(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", *messages(1))
    write(tmp_path / "a.txt", *messages(2))
    lab = Lab(tmp_path / "store")
    async with lab, following(lab) as files:
        await lab.wait(5)
        assert taken_in(lab) == (0, 0, 0)
        files.follow(config(intake={"files": [f"{tmp_path}/*.jsonl"]}))
        await lab.until(lambda: taken_in(lab) == (1, 0, 0))
        files.follow(config(intake={"files": [f"{tmp_path}/*.txt"]}))
        await lab.until(lambda: taken_in(lab) == (2, 0, 0))
        write(tmp_path / "a.jsonl", *messages(3))
        await lab.wait(5)
        assert taken_in(lab) == (2, 0, 0)
        files.follow(config(intake={"files": [f"{tmp_path}/*.jsonl"]}))
        await lab.until(lambda: taken_in(lab) == (3, 0, 0))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
@in_virtual_time
async def test_a_file_that_cannot_be_read_is_a_problem_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jsonl").symlink_to("/proc/self/mem")
    lab = lab_of(tmp_path)
    async with lab, following(lab) as files:
        await lab.until(lambda: bool(files.problems()))
        await lab.wait(5)
        assert files.problems() == [f"file {str(tmp_path / 'a.jsonl')!r} cannot be read: Input/output error"]
        assert sum("cannot be read" in record.message for record in caplog.records) == 1


def test_of_many_unreadable_files_some_are_named_and_odd_names_are_quoted() -> None:
    lines = unreadable({f"/{name}": "why" for name in ("a\n", "b\udc80", "c" * 300, "d", "e", "f", "g")})
    assert len(lines) == 6
    assert lines[:2] == ["file '/a\\n' cannot be read: why", "file '/b\\udc80' cannot be read: why"]
    assert len(lines[2]) < 240
    assert lines[-1] == "2 more files cannot be read"

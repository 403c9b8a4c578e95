"""Files that grow, are renamed, copied, emptied and found again: each complete line is read once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.intake.lost import encode
from exporter.intake.position import Position
from exporter.intake.tail import Tail
from exporter.intake.tails import Tails

MINUTE: Final = 60.0
DAY: Final = 86_400.0


class Reader:
    """What the loop does, with a dictionary for a store; `read` is every line ever taken in."""

    def __init__(self, *globs: str) -> None:
        self.globs = globs
        self.stored: dict[str, str] = {}
        self.read: list[str] = []
        self.too_long = 0
        self.now = 0.0
        self.tails = Tails({})

    def look(self, limit: int = 1000) -> list[str]:
        """Take in all that is new; return its lines."""
        before = len(self.read)
        self.tails.scan(self.globs, self.now)
        while self.take(limit):
            pass
        self.tails.tidy(self.now)
        return self.read[before:]

    def take(self, limit: int) -> bool:
        takes = self.tails.take(limit)
        changes = dict(self.tails.lost.notes)
        for tail, chunk, _ in takes:
            assert len(chunk.lines) <= limit
            self.read += [line.decode() for _, line in chunk.lines]
            self.too_long += len(chunk.too_long)
            changes[tail.key] = encode(chunk.position)
        self.stored = {key: text for key, text in (self.stored | changes).items() if text is not None}
        self.tails.lost.notes.clear()
        self.tails.settle(takes, self.now)
        return bool(changes)

    def restart(self) -> None:
        """Die by kill -9 and start anew."""
        self.tails.close()
        self.tails = Tails(self.stored)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(f"{tmp_path}/app.log*")
    yield reader
    reader.tails.close()


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def write(path: Path, *lines: object, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}{end}" for line in lines))


def test_a_file_is_read_as_it_grows(reader: Reader, log: Path) -> None:
    assert reader.look() == []
    write(log, 1, 2)
    assert reader.look() == ["1", "2"]
    assert reader.look() == []
    write(log, 3)
    assert reader.look() == ["3"]


def test_a_line_is_read_once_it_has_its_end(reader: Reader, log: Path) -> None:
    write(log, "one", "tw", end="")
    assert reader.look() == []
    write(log, "o\nthree")
    assert reader.look() == ["onetwo", "three"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_renamed_file_is_read_to_its_end_and_its_successor_from_the_start(
    reader: Reader, log: Path, *, restart: bool
) -> None:
    write(log, 1, 2)
    reader.look()
    write(log, 3)
    log.rename(f"{log}.1")
    write(log, 4)
    write(Path(f"{log}.1"), 5)
    if restart:
        reader.restart()
    assert sorted(reader.look()) == ["3", "4", "5"]


def test_a_file_renamed_out_of_sight_or_deleted_is_read_to_its_end(tmp_path: Path, log: Path) -> None:
    reader = Reader(str(log))
    write(log, 1)
    reader.look()
    with log.open("a") as writer:
        log.rename(tmp_path / "old")
        write(log, 3)
        writer.write("2\n")
        writer.flush()
        assert sorted(reader.look()) == ["2", "3"]
        (tmp_path / "old").unlink()
        writer.write("4\n")
        writer.flush()
        assert reader.look() == ["4"]


def test_a_file_without_a_name_is_let_go_a_minute_after_its_last_line(reader: Reader, log: Path) -> None:
    write(log, 1)
    with log.open("a", buffering=1) as writer:
        reader.look()
        log.unlink()
        for line, after, read in [(2, 0.0, True), (3, MINUTE - 1, True), (4, MINUTE - 1, True), (5, MINUTE, False)]:
            reader.look()
            reader.now += after
            reader.look()
            writer.write(f"{line}\n")
            assert reader.look() == ([f"{line}"] if read else [])


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("again", [[], ["new 1"], ["new 1", "new 2", "new 3"]])
def test_an_emptied_file_is_read_anew_however_much_is_written_to_it_again(
    reader: Reader, log: Path, again: list[str], *, restart: bool
) -> None:
    write(log, "old 1", "old 2")
    reader.look()
    os.truncate(log, 0)
    write(log, *again)
    if restart:
        reader.restart()
    assert reader.look() == again
    write(log, "more")
    assert reader.look() == ["more"]


@pytest.mark.parametrize("restart", [False, True])
def test_an_inode_number_that_is_used_again_is_another_file(reader: Reader, log: Path, *, restart: bool) -> None:
    write(log, "old")
    reader.look()
    inode = log.stat().st_ino
    with log.open("r+") as file:  # as if by chance it had got the same number
        file.write("young\n")
    assert log.stat().st_ino == inode
    if restart:
        reader.restart()
    assert reader.look() == ["young"]


def test_a_restart_reads_on_where_the_last_commit_was(reader: Reader, log: Path) -> None:
    for number in range(300):
        write(log, f"{number} and some more text")
        if number % 7 == 0:
            reader.look()
        if number % 11 == 0:
            reader.restart()
    reader.look()
    assert [int(line.split()[0]) for line in reader.read] == list(range(300))


def test_a_file_found_after_a_restart_under_another_name_and_number_is_read_on(reader: Reader, log: Path) -> None:
    write(log, *(f"{number} and some more text" for number in range(100)))
    reader.look()
    write(log, "last")
    shutil.copy(log, f"{log}.1")
    log.unlink()
    write(log, "first")
    reader.restart()
    assert sorted(reader.look()) == ["first", "last"]


@pytest.mark.parametrize("looks", [(), ("copied",), ("copied", "emptied")])
def test_a_copy_made_before_the_file_is_emptied_brings_only_what_was_not_read(
    reader: Reader, log: Path, looks: tuple[str, ...]
) -> None:
    write(log, 1, 2)
    reader.look()
    write(log, 3)
    shutil.copy(log, f"{log}.1")
    if "copied" in looks:
        reader.look()
    os.truncate(log, 0)
    if "emptied" in looks:
        reader.look()
    write(log, 4)
    reader.look()
    assert sorted(reader.read) == ["1", "2", "3", "4"]


def test_a_copy_is_known_though_the_file_was_emptied_filled_and_renamed_since(reader: Reader, log: Path) -> None:
    write(log, 1, 2)
    reader.look()
    write(log, 3)
    shutil.copy(log, f"{log}.1")
    os.truncate(log, 0)
    write(log, *range(4, 10))
    log.rename(f"{log}.2")
    reader.look()
    reader.look()
    assert sorted(reader.read) == [str(each) for each in range(1, 10)]


def test_a_copy_that_goes_its_own_way_is_a_file_of_its_own(reader: Reader, log: Path) -> None:
    write(log, 1, 2)
    reader.look()
    shutil.copy(log, f"{log}.1")
    reader.look()
    write(Path(f"{log}.1"), "a", "b")
    assert reader.look() == ["a", "b"]
    write(log, 3)
    write(Path(f"{log}.1"), "c")
    assert sorted(reader.look()) == ["3", "c"]


def test_files_that_begin_alike_are_told_apart(reader: Reader, log: Path) -> None:
    write(log, "header", 1)
    write(Path(f"{log}.a"), "header", 2)
    reader.look()
    reader.look()
    assert sorted(line for line in reader.read if line != "header") == ["1", "2"]


def test_a_line_too_long_is_skipped_and_counted_once(reader: Reader, log: Path) -> None:
    write(log, 1, "x" * 65_537, "y" * 65_536, 2)
    assert [line[:1] for line in reader.look()] == ["1", "y", "2"]
    assert reader.too_long == 1
    for _ in range(5):
        write(log, "z" * 200_000, end="")
        reader.look()
        reader.restart()
    write(log, "", 3)
    assert reader.look() == ["3"]
    assert reader.too_long == 2


def test_the_hole_that_a_writer_leaves_who_does_not_append_is_no_line(reader: Reader, log: Path) -> None:
    with log.open("w", buffering=1) as writer:
        writer.write("1\n" * 300_000)
        assert len(reader.look()) == 300_000
        os.truncate(log, 0)
        writer.write("2\n")
        assert reader.look() == ["2"]
        os.truncate(log, 0)
        reader.look()
        writer.write("3\n")
        assert reader.look() == ["3"]
    assert reader.too_long == 0


def test_nuls_at_the_end_may_be_a_line_on_its_way(reader: Reader, log: Path) -> None:
    write(log, 1)
    os.truncate(log, 6)
    assert reader.look() == ["1"]
    with log.open("r+") as file:
        file.seek(2)
        file.write("two\n")
    assert reader.look() == ["two"]


def test_folders_pipes_and_compressed_files_are_left_alone(reader: Reader, log: Path) -> None:
    Path(f"{log}.d").mkdir()
    os.mkfifo(f"{log}.pipe")
    write(Path(f"{log}.gz"), 1)
    write(log, 2)
    assert reader.look() == ["2"]
    assert reader.tails.problems == {}


def test_two_names_of_a_file_are_one_file(reader: Reader, log: Path) -> None:
    write(log, 1)
    Path(f"{log}.hard").hardlink_to(log)
    Path(f"{log}.soft").symlink_to(log)
    assert reader.look() == ["1"]
    log.unlink()
    write(Path(f"{log}.hard"), 2)
    assert reader.look() == ["2"]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_file_that_cannot_be_read_is_a_problem_until_it_can(reader: Reader, log: Path) -> None:
    write(log, 1)
    os.truncate(log, 0)
    log.unlink()
    log.symlink_to("/proc/self/mem")
    reader.look()
    assert list(reader.tails.problems) == [str(log)]
    log.unlink()
    write(log, 1)
    assert reader.look() == ["1"]
    assert reader.tails.problems == {}


def test_more_files_than_may_be_open_are_all_read(reader: Reader, log: Path) -> None:
    before = open_files()
    for each in range(600):
        write(Path(f"{log}.{each}"), f"{each} a")
    assert len(reader.look()) == 600
    assert open_files() <= before + 256
    for each in range(600):
        write(Path(f"{log}.{each}"), f"{each} b")
    assert len(reader.look()) == 600
    reader.restart()
    assert open_files() == before
    write(Path(f"{log}.7"), "c")
    assert reader.look() == ["c"]


def test_files_that_are_wanted_no_more_are_let_go_and_read_on_when_they_are_again(reader: Reader, log: Path) -> None:
    write(log, 1)
    reader.look()
    reader.globs = ()
    write(log, 2)
    assert reader.look() == []
    reader.globs = (str(log),)
    assert reader.look() == ["2"]


def test_the_position_of_a_file_long_gone_is_forgotten(reader: Reader, log: Path) -> None:
    write(log, 1)
    reader.look()
    log.unlink()
    for seconds in (0, MINUTE, 6 * DAY):
        reader.now += seconds
        reader.look()
        reader.look()
        assert len(reader.stored) == 1
        reader.restart()
    reader.now += DAY + MINUTE
    reader.look()
    reader.look()
    assert reader.stored == {}


def test_the_position_of_a_file_without_lines_is_not_kept(reader: Reader, log: Path) -> None:
    write(log, "half", end="")
    reader.look()
    log.unlink()
    reader.now += MINUTE
    reader.look()
    reader.now += MINUTE
    reader.look()
    reader.look()
    assert reader.stored == {}


@pytest.mark.parametrize(
    "lines", [[f"new {'x' * 1200}", f"two {'x' * 1200}"], [f"one {'x' * 1200}", f"{'x' * 1200} new"]]
)
def test_content_of_the_same_length_that_begins_or_ends_alike_is_another_file(
    reader: Reader, log: Path, lines: list[str]
) -> None:
    write(log, f"one {'x' * 1200}", f"two {'x' * 1200}")
    reader.look()
    with log.open("r+") as file:
        file.write("".join(f"{line}\n" for line in lines))
    write(log, "more")
    assert reader.look() == [*lines, "more"]


def test_an_open_file_emptied_and_filled_again_within_a_tick_of_the_clock_is_read_anew(
    reader: Reader, log: Path
) -> None:
    write(log, "old")
    reader.look()
    found = log.stat()
    with log.open("r+") as file:
        file.write("new\n")
    os.utime(log, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert reader.look() == ["new"]


def test_a_copy_is_followed_as_far_as_its_original_was_read_before_that_was_emptied(reader: Reader, log: Path) -> None:
    write(log, *range(5))
    reader.look()
    shutil.copy(log, f"{log}.1")
    write(log, "last")
    reader.look()
    os.truncate(log, 0)
    assert reader.look() == []
    reader.restart()
    assert reader.look() == []


def test_of_a_copy_that_was_begun_only_what_its_emptied_original_had_not_brought_is_read(
    reader: Reader, log: Path
) -> None:
    write(log, *range(9))
    reader.tails.scan(reader.globs, 0)
    assert reader.take(3)
    shutil.copy(log, f"{log}.1")
    reader.tails.scan(reader.globs, 0)
    assert reader.take(3)
    assert reader.take(3)
    os.truncate(log, 0)
    reader.look()
    reader.look()
    assert sorted(reader.read) == [str(each) for each in range(9)]


def test_a_file_without_a_name_is_kept_open_until_it_is_read(reader: Reader, log: Path) -> None:
    write(log, 1)
    reader.look()
    write(log, 2)
    log.unlink()
    for _ in range(3):
        reader.tails.scan(reader.globs, reader.now)
        reader.tails.tidy(reader.now)
        reader.now += 2 * MINUTE
    assert reader.look() == ["2"]


def test_little_is_read_at_once_however_long_the_lines_are(reader: Reader, log: Path) -> None:
    for each in range(40):
        write(Path(f"{log}.{each}"), *(f"{each} {number} {'x' * 60_000}" for number in range(4)))
    reader.tails.scan(reader.globs, 0)
    takes = reader.tails.take(1000)
    assert sum(len(line) for take in takes for _, line in take.chunk.lines) < 1_400_000
    assert len(reader.look()) == 160


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that opens and cannot be read")
def test_a_file_that_is_gone_is_no_problem(reader: Reader, log: Path) -> None:
    log.symlink_to("/proc/self/mem")
    reader.look()
    log.unlink()
    reader.look()
    assert reader.tails.problems == {}


def test_a_name_that_was_given_to_another_file_opens_none(log: Path) -> None:
    write(log, 1)
    tail = Tail("file:1", str(log), Position(device=1, inode=1))
    assert not tail.open()
    assert not tail.is_open


def test_what_is_not_taken_in_is_read_again(reader: Reader, log: Path) -> None:
    write(log, *range(10))
    reader.tails.scan(reader.globs, 0)
    for limit in (10, 5, 2, 1):
        takes = reader.tails.take(limit)
        assert [line for take in takes for _, line in take.chunk.lines] == [b"%d" % each for each in range(limit)]
        reader.tails.put_back(takes)
    assert len(reader.look(limit=3)) == 10


class AnyCourse(RuleBasedStateMachine):
    """Whatever happens to the files, each complete line that was not destroyed unread is read exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = self.folder / "app.log"
        self.reader = Reader(f"{self.folder}/app.log*")
        self.written: list[str] = []
        self.unfinished = ""
        self.rotations = 0

    def append(self, text: str) -> None:
        with self.log.open("a") as file:
            file.write(text)

    @rule(count=st.integers(1, 40), size=st.sampled_from([1, 30, 700]))
    def append_lines(self, count: int, size: int) -> None:
        if self.unfinished:
            self.finish_the_line()
        for _ in range(count):
            line = f"{len(self.written)}:{'x' * size}"
            self.written.append(line)
            self.append(line + "\n")

    @precondition(lambda self: not self.unfinished)
    @rule()
    def append_half_a_line(self) -> None:
        self.unfinished = f"{len(self.written)}:half"
        self.append(self.unfinished)

    @precondition(lambda self: self.unfinished)
    @rule()
    def finish_the_line(self) -> None:
        self.append(":done\n")
        self.written.append(f"{self.unfinished}:done")
        self.unfinished = ""

    def next_name(self) -> Path:
        self.rotations += 1
        return self.folder / f"app.log.{self.rotations}"

    @precondition(lambda self: not self.unfinished and self.log.exists())
    @rule()
    def rotate_by_rename(self) -> None:
        self.log.rename(self.next_name())

    @precondition(lambda self: not self.unfinished and self.log.exists())
    @rule(meanwhile=st.lists(st.sampled_from(["look", "restart", "append and look"]), max_size=3))
    def rotate_by_copy_and_truncate(self, meanwhile: list[str]) -> None:
        shutil.copy(self.log, self.next_name())
        for what in meanwhile:
            if what == "restart":
                self.restart()
            elif what == "append and look":
                self.append_lines(1, 1)
            if what != "restart":
                self.look(1000)
        os.truncate(self.log, 0)

    @precondition(lambda self: not self.unfinished and self.log.exists())
    @rule()
    def empty_what_is_read(self) -> None:
        self.look(1000)
        self.look(1000)
        os.truncate(self.log, 0)

    @precondition(lambda self: not self.unfinished and self.log.exists())
    @rule()
    def delete_what_is_open(self) -> None:
        self.look(1000)
        self.append_lines(1, 1)
        self.log.unlink()
        self.look(1000)

    @rule(limit=st.sampled_from([1, 3, 1000]))
    def look(self, limit: int) -> None:
        self.reader.look(limit)

    @rule()
    def read_a_little_and_restart(self) -> None:
        self.reader.tails.scan(self.reader.globs, self.reader.now)
        self.reader.take(5)
        self.reader.restart()

    @rule()
    def restart(self) -> None:
        self.reader.restart()

    @rule(seconds=st.sampled_from([1.0, MINUTE]))
    def time_passes(self, seconds: float) -> None:
        self.reader.now += seconds

    @invariant()
    def no_line_is_read_twice(self) -> None:
        assert len(set(self.reader.read)) == len(self.reader.read)

    def teardown(self) -> None:
        """Every line is read in the end, by this process or the next."""
        after = Reader(*self.reader.globs)
        after.stored, after.read = dict(self.reader.stored), list(self.reader.read)
        after.restart()
        for reader in (self.reader, after):
            for _ in range(4):
                reader.look()
            reader.tails.close()
        shutil.rmtree(self.folder)
        assert sorted(self.reader.read) == sorted(self.written)
        assert sorted(after.read) == sorted(self.written)


AnyCourse.TestCase.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
test_any_course_reads_each_line_once = AnyCourse.TestCase

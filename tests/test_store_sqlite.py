"""The SQLite file: crashes, full disks, damage, and who may open it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.store import Batch, FinishedRow, InFlightRow, StoreError, StoreRefusedError, TotalRow
from exporter.store.opening import open_database
from exporter.store.sqlite import SqliteStore
from exporter.store.statements import PUT_PROGRESS

ROOT = Path(__file__).parents[1]
PAGE = 4096


STORES: list[SqliteStore] = []


def row(seq: int) -> InFlightRow:
    return InFlightRow(seq, "main", f"{seq:036d}", "sms", "", 1.0, 2.0, 3.0, None, 0, 0, 0.0, 0.0, 0.0, 0, 0)


def batch(generation: int, size: int = 700) -> Batch:
    """Replace everything of the generation before, so that a mixture of two shows."""
    first = generation * size + 1
    return Batch(
        accepted=[row(first + n) for n in range(size)],
        removed=[first - size + n for n in range(size)],
        finished=[FinishedRow("main", f"{generation}-{n}", 1.0, 0, "{}") for n in range(size)],
        totals=[TotalRow("m", str(n), str(generation), 1.0) for n in range(size)],
    )


def generation_in(store: SqliteStore, size: int = 700) -> int:
    """Return the generation that the store holds whole, and fail when it holds a mixture."""
    (generation,) = {int(total.value) for total in store.totals()}
    rows = [stored for chunk in store.in_flight(1000) for stored in chunk]
    assert rows == list(batch(generation, size).accepted)
    assert store.last_seq() == (generation + 1) * size
    latest = [store.finished("main", f"{n}-0") is not None for n in range(generation + 2)]
    assert latest == [True] * (generation + 1) + [False]
    return generation


def opened(path: Path, **more: Any) -> SqliteStore:  # noqa: ANN401 (what the store takes)
    """Open a store that is closed when the test is over."""
    store = SqliteStore(path, **more)
    STORES.append(store)
    return store


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while STORES:
        STORES.pop().close()


def run(script: str, *arguments: object, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a script that can import this module and the package."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(  # noqa: S603  # our own script
        [*prefix, sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def filled(path: Path) -> Path:
    store = opened(path)
    store.commit(batch(0))
    store.close()
    return path


def test_what_was_committed_is_there_after_opening_again(filled: Path) -> None:
    for generation in (1, 2, 3):
        store = opened(filled)
        store.commit(batch(generation))
        store.close()
    assert generation_in(opened(filled)) == 3


@pytest.mark.parametrize(("point", "expected"), [("begun", 0), ("written", 0), ("committed", 1)])
def test_a_commit_that_is_killed_happened_whole_or_not_at_all(filled: Path, point: str, expected: int) -> None:
    script = """
import os, pathlib, signal, sys
from test_store_sqlite import SqliteStore, batch
def die(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
SqliteStore(pathlib.Path(sys.argv[1]), at=die).commit(batch(1))
"""
    ended = run(script, filled, point)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    store = opened(filled)
    assert generation_in(store) == expected
    store.commit(batch(1))
    assert generation_in(store) == 1


@pytest.mark.parametrize("point", ["begun", "written"])
def test_a_commit_that_raises_stores_nothing_and_can_be_repeated(filled: Path, point: str) -> None:
    left = [point]

    def fail_once(passed: str) -> None:
        if left == [passed]:
            raise KeyError(left.pop())

    store = opened(filled, at=fail_once)
    with pytest.raises(KeyError):
        store.commit(batch(1))
    assert generation_in(store) == 0
    store.commit(batch(1))
    assert generation_in(store) == 1


def test_a_commit_reported_as_failed_after_it_was_durable_counts_once(filled: Path) -> None:
    def fail(point: str) -> None:
        if point == "committed" and not reported:
            reported.append(point)
            raise StoreError(point)

    reported: list[str] = []
    store = opened(filled, at=fail)
    with pytest.raises(StoreError):
        store.commit(batch(1))
    store.commit(batch(1))
    assert generation_in(store) == 1
    assert store.forget(2.0, 10_000) == 1400


def test_a_file_that_may_not_grow_fails_the_commit_and_takes_it_later(filled: Path) -> None:
    script = """
import pathlib, resource, sys
from test_store_sqlite import SqliteStore, StoreError, batch, generation_in
store = SqliteStore(pathlib.Path(sys.argv[1]))
for size in (8192, 65536):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for _ in range(3):
        try:
            store.commit(batch(1))
        except StoreError as error:
            print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert generation_in(store) == 0
store.commit(batch(1))
assert generation_in(store) == 1
"""
    ended = run(script, filled)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert len(lines) == 6
    assert all(f"the store {filled} cannot be used: the disk reports an I/O error" in line for line in lines)
    assert generation_in(opened(filled)) == 1


def test_a_full_disk_fails_the_commit_and_takes_it_when_there_is_room(tmp_path: Path) -> None:
    script = """
import pathlib, sys
from test_store_sqlite import SqliteStore, StoreError, batch, generation_in
place = pathlib.Path(sys.argv[1])
store = SqliteStore(place / "state.db")
store.commit(batch(0))
ballast = place / "ballast"
with ballast.open("wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)):
            pass
    except OSError:
        pass
for _ in range(3):
    try:
        store.commit(batch(1))
    except StoreError as error:
        print(error)
assert generation_in(store) == 0
ballast.unlink()
store.commit(batch(1))
assert generation_in(store) == 1
"""
    mount = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(tmp_path))
    if shutil.which("unshare") is None or run("", prefix=prefix).returncode != 0:
        pytest.skip("a file system of its own cannot be mounted here")
    ended = run(script, tmp_path, prefix=prefix)
    assert ended.returncode == 0, ended.stderr
    expected = f"the store {tmp_path}/state.db cannot be used: the disk is full (SQLITE_FULL)"
    assert ended.stdout.splitlines() == [expected] * 3


def test_a_write_error_says_nothing_of_what_is_stored(filled: Path) -> None:
    store = opened(filled)
    secret = row(1)._replace(id="secret-id", sent_at="secret-text")  # type: ignore[arg-type]  # what must not happen
    with pytest.raises(StoreError) as caught:
        store.commit(Batch(accepted=[secret]))
    assert "secret" not in str(caught.value)
    assert generation_in(store) == 0
    store.commit(batch(1))
    assert generation_in(store) == 1


def test_every_commit_reaches_the_disk_before_it_returns(path: Path) -> None:
    connection = open_database(path)
    settings = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous")]
    connection.close()
    assert settings == [("wal",), (2,)]


def test_text_that_is_not_utf8_is_damage_and_is_not_quoted(filled: Path) -> None:
    with_bytes = sqlite3.connect(filled)
    with_bytes.execute("UPDATE totals SET value = CAST(x'7365637265740aff' AS TEXT) WHERE labels = '3'")
    with_bytes.commit()
    with_bytes.close()
    with pytest.raises(StoreRefusedError, match="is damaged") as caught:
        opened(filled).totals()
    assert "secret" not in str(caught.value)


def another_application(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def newer_version(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()


def a_table_less(path: Path) -> None:
    opened(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE totals")
    connection.close()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x", "is damaged (1 bytes long)"),
        (b"accounts:\n  - name: main\n" * 40, "is damaged, or no SQLite database at all"),
        (bytes(PAGE), "is damaged, or no SQLite database at all"),
        (bytes(range(256)) * 64, "is damaged, or no SQLite database at all"),
        (b"SQLite format 3\0", "is damaged (16 bytes long)"),
        (b"SQLite format 3\0" + bytes(PAGE), "is damaged"),
    ],
)
def test_a_file_of_something_else_is_refused_and_left_alone(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreRefusedError) as caught:
        opened(path)
    assert str(caught.value).startswith(f"the store {path} {reason}")
    assert "move it away" in str(caught.value)
    assert path.read_bytes() == content


def test_the_database_of_another_application_is_refused_and_left_alone(path: Path) -> None:
    another_application(path)
    content = path.read_bytes()
    with pytest.raises(StoreRefusedError, match="belongs to another application; name another file"):
        opened(path)
    assert path.read_bytes() == content


def test_a_store_from_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    newer_version(path)
    content = path.read_bytes()
    with pytest.raises(StoreRefusedError, match=r"newer version \(schema 2, this one knows 1\); use that version"):
        opened(path)
    assert path.read_bytes() == content


def test_a_store_without_all_its_tables_is_refused(path: Path) -> None:
    a_table_less(path)
    with pytest.raises(StoreRefusedError, match=r"is damaged \(schema 1 is incomplete\)"):
        opened(path)


def test_a_truncated_store_is_refused_wherever_it_ends(filled: Path) -> None:
    whole = filled.read_bytes()
    for length in [*range(1, 130), *range(PAGE, len(whole), PAGE), len(whole) // 2, len(whole) - 1]:
        filled.write_bytes(whole[:length])
        with pytest.raises(StoreRefusedError, match="is damaged"):
            opened(filled)


@pytest.mark.parametrize("mask", [0xFF, 0x01])
def test_a_flipped_header_byte_is_refused_or_harmless_but_never_a_fresh_start(filled: Path, mask: int) -> None:
    whole = filled.read_bytes()
    refused = 0
    for place in range(108):
        filled.write_bytes(whole[:place] + bytes([whole[place] ^ mask]) + whole[place + 1 :])
        try:
            store = opened(filled)
            generation = generation_in(store)
        except StoreError:
            refused += 1
        else:
            assert generation == 0
            store.close()
    assert refused > 30


def test_garbage_further_in_is_refused_when_it_is_read(filled: Path) -> None:
    whole = filled.read_bytes()
    for page in range(len(whole) // PAGE):
        garbage = bytes((page * 7 + n * 31) % 256 for n in range(PAGE))
        filled.write_bytes(whole[: page * PAGE] + garbage + whole[(page + 1) * PAGE :])
        with pytest.raises(StoreRefusedError, match="is damaged"):
            read_all(filled)


def read_all(path: Path) -> None:
    store = opened(path)
    try:
        list(store.in_flight(1000))
        store.totals()
        store.windows()
        store.positions()
        store.notes("claim")
        store.last_seq()
        store.remembered([("main", f"0-{n}") for n in range(700)])
        for n in range(700):
            store.finished("main", f"0-{n}")
        store.relist([])
        store.commit(Batch(removed=list(range(800)), accepted=[row(1)]))
        store.forget(2.0, 1000)
    finally:
        store.close()


def test_an_empty_file_is_a_new_store(path: Path) -> None:
    path.touch()
    assert opened(path).last_seq() == 0


def test_an_emptied_file_with_a_log_beside_it_is_refused_and_the_log_is_kept(path: Path) -> None:
    log = path.with_name("state.db-wal")
    log.write_bytes(b"commits")
    for prepare in (path.touch, path.unlink):
        prepare()
        with pytest.raises(StoreRefusedError, match="its -wal file is not"):
            opened(path)
    assert log.read_bytes() == b"commits"


def test_a_second_opener_in_the_same_process_is_refused_and_the_first_goes_on(filled: Path) -> None:
    store = opened(filled)
    for _ in range(2):
        with pytest.raises(StoreRefusedError, match="is in use by another process"):
            opened(filled)
    store.commit(batch(1))
    assert generation_in(store) == 1


def test_a_second_process_is_refused_until_the_first_closes(filled: Path) -> None:
    script = """
import pathlib, sys
from test_store_sqlite import SqliteStore, StoreRefusedError
try:
    SqliteStore(pathlib.Path(sys.argv[1])).close()
except StoreRefusedError as error:
    print(error)
else:
    print("opened")
"""
    store = opened(filled)
    with pytest.raises(StoreRefusedError):
        opened(filled)
    assert f"the store {filled} is in use by another process" in run(script, filled).stdout
    store.commit(batch(1))
    assert "in use" in run(script, filled).stdout
    store.close()
    assert run(script, filled).stdout == "opened\n"


def test_closing_writes_the_log_back_into_the_one_file(filled: Path) -> None:
    assert [file.name for file in filled.parent.iterdir()] == ["state.db"]


def test_a_missing_directory_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"there is no directory {tmp_path}/missing; create it, or mount a volume"):
        opened(tmp_path / "missing" / "state.db")


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"the store {tmp_path} cannot be used: it is a directory"):
        opened(tmp_path)


def test_a_place_where_nobody_can_write_is_named_with_what_to_do() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs the /proc of Linux")
    with pytest.raises(StoreError, match=r"/proc/state\.db cannot be used: the .* mount a volume there"):
        opened(Path("/proc/state.db"))


@pytest.mark.parametrize(
    ("place", "why"),
    [("state.db", "is not writable; make it so, or mount a volume there"), ("in/state.db", "Permission denied")],
)
def test_a_directory_that_may_not_be_entered_is_named(place: str, why: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in").mkdir()
        Path(folder).chmod(0 if os.geteuid() else 0o700)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may enter anything
        try:
            with pytest.raises(StoreError, match=f"cannot be used: .*{why}"):
                opened(Path(folder, place))
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o700)


def test_a_file_that_may_only_be_read_is_named_when_it_is_opened() -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "state.db")
        opened(path).close()
        path.chmod(0o444)
        Path(place).chmod(0o777)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write anything
        try:
            with pytest.raises(StoreError, match="cannot be used: the file or its file system is read-only"):
                opened(path)
        finally:
            os.seteuid(user)


def test_a_path_that_sqlite_takes_for_a_database_in_memory_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    opened(Path(":memory:")).close()
    assert (tmp_path / ":memory:").stat().st_size > 0


def test_an_old_sqlite_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreError, match=r"is too old; 3\.37 or newer is needed"):
        opened(path)


def test_progress_finds_its_rows_by_their_number(filled: Path) -> None:
    connection = sqlite3.connect(filled)
    plans: list[str] = []
    connection.set_trace_callback(plans.append)
    PUT_PROGRESS.run(connection, [(1, 2, 3, 0.0, 0.0, 0.0, 0, 1)] * 3)
    connection.rollback()
    (update,) = [statement for statement in plans if statement.startswith("UPDATE")]
    steps = [str(step[-1]) for step in connection.execute(f"EXPLAIN QUERY PLAN {update}")]
    connection.close()
    assert "SEARCH in_flight USING INTEGER PRIMARY KEY (rowid=?)" in steps

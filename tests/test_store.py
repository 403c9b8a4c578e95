"""What every store does alike, whether or not it survives the process."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.store import (
    Batch,
    FinishedRow,
    InFlightRow,
    NoteRow,
    PositionRow,
    ProgressRow,
    Store,
    TotalRow,
    WindowRow,
)
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AWKWARD_TIMES = (0.1 + 0.2, 1769164200.123457, 1e-9, 5e-324, 1.7976931348623157e308, 2**53 + 2.0)


@pytest.fixture(params=["sqlite", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = SqliteStore(tmp_path / "state.db") if request.param == "sqlite" else MemoryStore()
    yield made
    made.close()


def in_flight_row(seq: int, message_id: str = "a", **changes: object) -> InFlightRow:
    row = InFlightRow(
        seq=seq,
        account="main",
        id=message_id,
        channel="sms",
        labels="",
        sent_at=100.5,
        accepted_at=101.25,
        ttl=math.inf,
        traceparent=None,
        status=0,
        seen=0,
        in_flight_at=0.0,
        answered_at=0.0,
        other_at=0.0,
        flags=0,
        polls=0,
    )
    return row._replace(**changes)  # type: ignore[arg-type]  # a test names the columns it cares about


def progress_row(seq: int, polls: int) -> ProgressRow:
    return ProgressRow(seq=seq, status=2, seen=5, in_flight_at=1.5, answered_at=2.5, other_at=3.5, flags=3, polls=polls)


def finished_row(message_id: str, finished_at: float = 1.0, *, listed: int = 0, body: str = "{}") -> FinishedRow:
    return FinishedRow("main", message_id, finished_at, listed, body)


def in_flight(store: Store, chunk: int = 1000) -> list[tuple[object, ...]]:
    return [tuple(row) for rows in store.in_flight(chunk) for row in rows]


def test_a_new_store_is_empty(store: Store) -> None:
    assert in_flight(store) == []
    assert store.last_seq() == 0
    assert list(store.totals()) == []
    assert list(store.windows()) == []
    assert store.remembered([("main", "a")]) == set()
    assert store.finished("main", "a") is None
    assert store.latest_finished(5) == []
    assert store.forget(1e12, 10) == 0


def test_an_empty_batch_changes_nothing(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1)]))
    store.commit(Batch())
    assert in_flight(store) == [in_flight_row(1)]


def test_messages_in_flight_come_back_by_number_in_chunks(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(seq, f"id{seq}") for seq in (5, 2, 9, 1, 7)]))
    chunks = [[row[0] for row in rows] for rows in store.in_flight(2)]
    assert chunks == [[1, 2], [5, 7], [9]]


@pytest.mark.parametrize("count", [1, 2, 3, 511, 512, 513, 1025])
def test_a_batch_of_any_size_is_stored_whole(store: Store, count: int) -> None:
    accepted = [in_flight_row(seq, f"id{seq}", labels="{}", ttl=seq / 3) for seq in range(1, count + 1)]
    finished = [finished_row(f"id{seq}") for seq in range(1, count + 1)]
    store.commit(Batch(accepted=accepted, finished=finished))
    assert in_flight(store) == accepted
    assert store.remembered([("main", row.id) for row in finished]) == {("main", row.id) for row in finished}

    store.commit(Batch(progressed=[progress_row(row.seq, row.seq) for row in accepted]))
    assert in_flight(store) == [row._replace(**progress_row(row.seq, row.seq)._asdict()) for row in accepted]

    store.commit(Batch(removed=[row.seq for row in accepted]))
    assert in_flight(store) == []


@pytest.mark.parametrize("at", AWKWARD_TIMES)
def test_times_survive_exactly(store: Store, at: float) -> None:
    accepted = in_flight_row(1, sent_at=at, ttl=at)
    store.commit(
        Batch(
            accepted=[accepted],
            progressed=[progress_row(1, 1)._replace(answered_at=at)],
            windows=[WindowRow("m", "", at, "1")],
        )
    )
    ((*_, answered_at, _other, _flags, _polls),) = in_flight(store)
    assert answered_at == at
    assert in_flight(store)[0][5:8] == (at, 101.25, at)
    assert list(store.windows()) == [WindowRow("m", "", at, "1")]


def test_progress_changes_only_its_columns_of_its_message(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1), in_flight_row(2, "b", traceparent="00-x", ttl=5.0)]))
    store.commit(Batch(progressed=[progress_row(2, 3)]))
    changed = in_flight_row(2, "b", traceparent="00-x", ttl=5.0)._replace(**progress_row(2, 3)._asdict())
    assert in_flight(store) == [in_flight_row(1), changed]


def test_the_last_progress_of_a_message_in_a_batch_wins(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1)]))
    store.commit(Batch(progressed=[progress_row(1, polls) for polls in (4, 2, 9, 3)]))
    assert in_flight(store)[0][-1] == 3


def test_progress_of_a_message_that_is_gone_is_ignored(store: Store) -> None:
    store.commit(Batch(progressed=[progress_row(1, 1)], removed=[2]))
    assert in_flight(store) == []


def test_a_message_can_come_and_go_in_one_batch(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1)], removed=[1], finished=[finished_row("a")]))
    assert in_flight(store) == []
    assert store.finished("main", "a") == finished_row("a")


def test_numbers_are_remembered_after_their_messages_are_gone(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1), in_flight_row(7, "b")]))
    store.commit(Batch(removed=[1, 7]))
    assert store.last_seq() == 7
    store.commit(Batch(accepted=[in_flight_row(3)]))
    assert store.last_seq() == 7


def test_totals_replace_those_of_the_same_series(store: Store) -> None:
    store.commit(Batch(totals=[TotalRow("m", "x", "1", 1.0), TotalRow("m", "y", "0.10", 1.0)]))
    store.commit(Batch(totals=[TotalRow("m", "x", "2", 2.0), TotalRow("n", "x", "9", 2.0)]))
    assert sorted(store.totals()) == [
        TotalRow("m", "x", "2", 2.0),
        TotalRow("m", "y", "0.10", 1.0),
        TotalRow("n", "x", "9", 2.0),
    ]


def test_old_slices_are_deleted_and_others_stay(store: Store) -> None:
    store.commit(Batch(windows=[WindowRow("m", "x", at, "1") for at in (60.0, 120.0, 180.0)]))
    store.commit(Batch(windows=[WindowRow("m", "x", 120.0, "2.5")], forget_windows_before=120.0))
    assert sorted(store.windows()) == [WindowRow("m", "x", 120.0, "2.5"), WindowRow("m", "x", 180.0, "1")]


def test_positions_are_replaced_by_key_and_forgotten(store: Store) -> None:
    store.commit(Batch(positions=[PositionRow("a", "1"), PositionRow("b", "1")]))
    store.commit(Batch(positions=[PositionRow("a", "2"), PositionRow("b", None), PositionRow("c", None)]))
    assert store.positions() == {"a": "2"}


def test_notes_are_replaced_by_message_and_kind_and_forgotten(store: Store) -> None:
    store.commit(Batch(notes=[NoteRow(1, "x", "a"), NoteRow(2, "x", "b"), NoteRow(2, "y", "b")]))
    store.commit(Batch(notes=[NoteRow(1, "x", "c"), NoteRow(2, "x", None), NoteRow(3, "x", None)]))
    assert store.notes("x") == {1: "c"}
    assert store.notes("y") == {2: "b"}


def test_a_batch_committed_twice_counts_once(store: Store) -> None:
    store.commit(Batch(accepted=[in_flight_row(1), in_flight_row(2, "b")]))
    batch = Batch(
        accepted=[in_flight_row(3, "c")],
        progressed=[progress_row(2, 4), progress_row(3, 1)],
        removed=[1],
        finished=[finished_row("a", 5.0, body='{"polls": 2}')],
        totals=[TotalRow("m", "", "41", 5.0)],
        windows=[WindowRow("m", "", 0.0, "7"), WindowRow("m", "", 60.0, "1")],
        forget_windows_before=60.0,
    )
    store.commit(batch)
    once = contents(store)
    store.commit(batch)
    assert contents(store) == once
    assert store.forget(10.0, 10) == 1


def contents(store: Store) -> tuple[object, ...]:
    return (
        in_flight(store),
        store.last_seq(),
        sorted(store.totals()),
        sorted(store.windows()),
        [store.finished("main", name) for name in "abcde"],
    )


def test_a_remembered_message_is_found_under_its_own_account_only(store: Store) -> None:
    store.commit(Batch(finished=[finished_row("a"), finished_row("b")._replace(account="other")]))
    keys = [("main", "a"), ("main", "b"), ("other", "a"), ("other", "b"), ("main", "O'\"[\\")]
    assert store.remembered(keys) == {("main", "a"), ("other", "b")}
    assert store.remembered([]) == set()
    assert store.finished("other", "a") is None


def test_thousands_of_keys_are_looked_up_at_once(store: Store) -> None:
    store.commit(Batch(finished=[finished_row(f"id{n}") for n in range(0, 5000, 2)]))
    found = store.remembered([("main", f"id{n}") for n in range(5000)])
    assert found == {("main", f"id{n}") for n in range(0, 5000, 2)}


def test_relisting_marks_exactly_the_listed_messages(store: Store) -> None:
    store.commit(Batch(finished=[finished_row("a", listed=1), finished_row("b", listed=1), finished_row("c")]))
    store.relist([("main", "b"), ("main", "c"), ("main", "never seen"), ("other", "a")])
    assert [store.finished("main", name) for name in "abc"] == [
        finished_row("a"),
        finished_row("b", listed=1),
        finished_row("c", listed=1),
    ]
    store.relist([])
    assert store.finished("main", "b") == finished_row("b")


def test_forgetting_takes_the_oldest_first_and_no_more_than_asked(store: Store) -> None:
    store.commit(Batch(finished=[finished_row(name, at) for at, name in enumerate("abcde")]))
    assert store.forget(3.0, 2) == 2
    assert [name for name in "abcde" if store.finished("main", name)] == ["c", "d", "e"]
    assert store.forget(3.0, 2) == 1
    assert store.forget(3.0, 2) == 0
    assert [name for name in "abcde" if store.finished("main", name)] == ["d", "e"]


def test_a_message_that_ended_again_is_no_longer_the_oldest(store: Store) -> None:
    store.commit(Batch(finished=[finished_row("a"), finished_row("b")]))
    store.commit(Batch(finished=[finished_row("a", 2.0)]))
    assert store.forget(9.0, 1) == 1
    assert store.remembered([("main", "a"), ("main", "b")]) == {("main", "a")}


def test_the_latest_finished_come_first_and_are_no_more_than_asked(store: Store) -> None:
    rows = {name: finished_row(name, at) for at, name in enumerate("abcd")}
    store.commit(Batch(finished=[rows["a"], rows["b"]]))
    store.commit(Batch(finished=[rows["c"], rows["d"]._replace(account="other")]))
    store.commit(Batch(finished=[rows["a"]]))
    store.relist([("main", "b")])
    latest = [rows["a"], rows["d"]._replace(account="other"), rows["c"], rows["b"]._replace(listed=1)]
    assert store.latest_finished(9) == latest
    assert store.latest_finished(2) == latest[:2]
    store.forget(9.0, 1)
    assert store.latest_finished(9) == [latest[0], latest[1], latest[3]]


def test_listed_messages_are_not_forgotten_until_they_are_unlisted(store: Store) -> None:
    store.commit(Batch(finished=[finished_row(name, listed=int(name not in "ce")) for name in "abcde"]))
    assert [store.forget(9.0, 1) for _ in range(3)] == [1, 1, 0]
    assert [name for name in "abcde" if store.finished("main", name)] == ["a", "b", "d"]
    store.commit(Batch(finished=[finished_row("e")]))
    assert store.forget(9.0, 5) == 1
    store.relist([("main", "b")])
    assert store.forget(9.0, 5) == 2
    assert [name for name in "abcde" if store.finished("main", name)] == ["b"]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
IDS = st.sampled_from("abcdefgh")
SEQS = st.integers(1, 12)
TIMES = st.floats(min_value=0, allow_infinity=False)
NUMBERS = st.integers(0, 2**40)
IN_FLIGHT = st.builds(
    InFlightRow,
    seq=SEQS,
    account=st.sampled_from(["main", "other"]),
    id=IDS,
    channel=TEXTS,
    labels=TEXTS,
    sent_at=TIMES,
    accepted_at=TIMES,
    ttl=st.just(math.inf) | TIMES,
    traceparent=st.none() | TEXTS,
    status=NUMBERS,
    seen=NUMBERS,
    in_flight_at=TIMES,
    answered_at=TIMES,
    other_at=TIMES,
    flags=st.integers(0, 3),
    polls=NUMBERS,
)
PROGRESS = st.builds(
    ProgressRow,
    seq=SEQS,
    status=NUMBERS,
    seen=NUMBERS,
    in_flight_at=TIMES,
    answered_at=TIMES,
    other_at=TIMES,
    flags=st.integers(0, 3),
    polls=NUMBERS,
)
FINISHED = st.builds(
    FinishedRow,
    account=st.just("main"),
    id=IDS,
    finished_at=st.floats(0, 10),
    listed=st.integers(0, 1),
    body=TEXTS,
)
BATCHES = st.builds(
    Batch,
    accepted=st.lists(IN_FLIGHT, max_size=4),
    progressed=st.lists(PROGRESS, max_size=4),
    removed=st.lists(SEQS, max_size=3),
    finished=st.lists(FINISHED, max_size=4),
    totals=st.lists(st.builds(TotalRow, IDS, TEXTS, TEXTS, TIMES), max_size=3),
    windows=st.lists(st.builds(WindowRow, IDS, TEXTS, st.floats(0, 10), TEXTS), max_size=3),
    forget_windows_before=st.floats(0, 10),
    positions=st.lists(st.builds(PositionRow, IDS, st.none() | TEXTS), max_size=3),
    notes=st.lists(st.builds(NoteRow, st.integers(1, 5), st.sampled_from("xy"), st.none() | TEXTS), max_size=3),
)
REOPENED = st.just("reopen")
RELISTED = st.lists(st.tuples(st.just("main"), IDS), max_size=3)
FORGOTTEN = st.tuples(st.floats(0, 10), st.integers(1, 4))


@given(steps=st.lists(BATCHES | REOPENED | RELISTED | FORGOTTEN, max_size=8))
def test_both_stores_read_alike_after_any_history(
    steps: list[Batch | str | list[tuple[str, str]] | tuple[float, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("store") / "state.db"
    sqlite, memory = SqliteStore(path), MemoryStore()
    for step in steps:
        match step:
            case Batch():
                sqlite.commit(step)
                memory.commit(step)
            case str():
                sqlite.close()
                sqlite = SqliteStore(path)
            case list():
                sqlite.relist(step)
                memory.relist(step)
            case before, limit:
                assert sqlite.forget(before, limit) == memory.forget(before, limit)
        assert everything(sqlite) == everything(memory)
    sqlite.close()


def everything(store: Store) -> tuple[object, ...]:
    keys = list(itertools.product(["main", "other"], "abcdefgh"))
    finished = [store.finished(*key) for key in keys]
    totals, windows = sorted(store.totals()), sorted(store.windows())
    latest = store.latest_finished(5)
    return (
        in_flight(store, 3),
        store.last_seq(),
        totals,
        windows,
        store.positions(),
        store.notes("x"),
        store.notes("y"),
        finished,
        latest,
    )

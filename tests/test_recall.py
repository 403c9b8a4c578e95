"""The filter never denies an id that the store remembers, whenever and however that was stored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from exporter import recall
from exporter.recall import Recall
from exporter.store import Batch, FinishedRow
from exporter.store.memory import MemoryStore
from exporter.store.sqlite import SqliteStore
from exporter.store.writer import Writer
from tests.lab import Lab
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from exporter.store import Store


def finished(*numbers: int) -> Batch:
    return Batch(finished=[FinishedRow("main", f"m{number}", 1.0, 0, "{}") for number in numbers])


async def reading(store: Store) -> tuple[Recall, asyncio.Task[None]]:
    """Return one that has read the store, and its task."""
    made = Recall()
    task = asyncio.create_task(made.run(Writer(store)))
    while made.may_know([("main", "never")]):  # noqa: ASYNC110 (it is the loop's turn)
        await asyncio.sleep(0)
    return made, task


@in_virtual_time
async def test_until_the_store_was_read_it_may_know_every_id() -> None:
    assert Recall().may_know([("main", "m1")])


@in_virtual_time
async def test_what_the_store_remembers_is_known_and_hardly_anything_else(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "state.db")
    store.commit(finished(*range(5_000)))
    store.commit(finished(*range(100)))  # put again: they move to the end
    made, task = await reading(store)
    assert len(made.may_know([("main", f"m{number}") for number in range(5_000)])) == 5_000
    assert len(made.may_know([("other", f"m{number}") for number in range(5_000)])) < 100
    made.add([("other", "m1")])
    assert made.may_know([("other", "m1")])
    task.cancel()


@in_virtual_time
async def test_a_filter_that_is_full_is_made_anew_with_all_that_the_store_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recall, "_LEAST", 64)
    store = MemoryStore()
    made, task = await reading(store)
    for number in range(1_000):
        made.add([("main", f"m{number}")])
        store.commit(finished(number))
        await asyncio.sleep(0)
    for _ in range(1_000):
        await asyncio.sleep(0)
    assert len(made.may_know([("main", f"m{number}") for number in range(1_000)])) == 1_000
    assert len(made.may_know([("other", f"m{number}") for number in range(1_000)])) < 100
    task.cancel()


@given(st.lists(st.tuples(st.text(), st.text())), st.integers(1, 50))
def test_no_key_that_was_added_is_ever_denied(keys: list[tuple[str, str]], room: int) -> None:
    filled = recall._Filter(room)  # noqa: SLF001 (the rule that everything stands on)
    for key in keys:
        filled.add(key)
    assert all(filled.may_have(key) for key in keys)
    assert filled.some_of(keys) == keys


@in_virtual_time
async def test_an_id_counts_once_though_its_end_was_stored_at_the_second_attempt_while_all_was_read() -> None:
    async with Lab() as lab:
        core = lab.core
        await lab.offer("m1", channel="sms")
        lab.store.fails = 1
        lab.answer("m1", "delivered")
        settling = lab.background(lab.settle())
        await lab.until(lambda: core.committer.meter.problem is not None)
        task = lab.background(core.committer.recall.run(core.writer))
        await lab.until(lambda: not core.committer.recall.may_know([("main", "never")]))
        await settling
        await lab.offer("m1", channel="sms")
        assert lab.shown("messages_accepted") == 1
        task.cancel()


@in_virtual_time
async def test_a_new_id_is_let_in_without_asking_the_store_and_an_old_one_is_not_let_in(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.answer("m1", "delivered")
        await lab.settle()
        await lab.restart()
        task = lab.background(lab.core.committer.recall.run(lab.core.writer))
        await lab.until(lambda: not lab.core.committer.recall.may_know([("main", "never")]))
        lab.store.fails_reading = True
        assert (await lab.offer("m2", channel="sms")).accepted == 1
        lab.store.fails_reading = False
        assert (await lab.offer("m1", channel="sms")).accepted == 0
        task.cancel()


@in_virtual_time
async def test_a_store_that_cannot_be_read_is_asked_again_later() -> None:
    async with Lab() as lab:
        lab.store.fails_reading = True
        task = lab.background(lab.core.committer.recall.run(lab.core.writer))
        await lab.wait(60)
        assert lab.core.committer.recall.may_know([("main", "never")])
        lab.store.fails_reading = False
        await lab.until(lambda: not lab.core.committer.recall.may_know([("main", "never")]))
        task.cancel()

"""Commit, then show: nothing is shown, freed or told before it is stored, and a group is stored as it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from exporter import view
from exporter.budget import Pause
from tests.lab import Lab, account
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path


async def entered(lab: Lab) -> None:
    """Return once a commit has reached the store."""
    assert await asyncio.to_thread(lab.store.entered.wait, 10)


@in_virtual_time
async def test_nothing_is_shown_and_nobody_is_told_before_it_is_stored(tmp_path: Path) -> None:
    async with Lab(tmp_path, channels=["sms"]) as lab:
        await lab.settle()
        before = lab.samples()
        lab.store.entered.clear()
        lab.store.open.clear()
        taking = lab.background(lab.offer("m1", channel="sms"))
        await entered(lab)
        assert lab.samples() == before
        assert not taking.done()
        assert lab.core.desks["main"].queue.next_at(lab.clock.at) == (float("inf"), float("inf"))
        lab.store.open.set()
        assert (await taking).accepted == 1
        assert lab.shown("messages_accepted") == 1
        assert lab.shown("smsbat_messages_in_flight", status="accepted") == 1


@in_virtual_time
async def test_an_end_is_shown_only_once_stored_and_its_message_stays_known_meanwhile(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.store.entered.clear()
        lab.store.open.clear()
        lab.answer("m1", "delivered", cost="0.5")
        await entered(lab)
        names = ("messages_finished", "cost", "smsbat_cost_window", "smsbat_delivery_ratio", "messages_matured")
        assert {name: lab.shown(name) for name in names} == dict.fromkeys(names)
        assert lab.shown("smsbat_messages_in_flight", status="accepted") == 1
        again = lab.background(lab.offer("m1"))
        await asyncio.sleep(0)
        lab.store.open.set()
        assert (await again).duplicates == (0,)
        assert lab.shown("messages_finished") == 1
        assert lab.shown("smsbat_messages_in_flight") == 0


@in_virtual_time
async def test_later_changes_wait_for_the_group_before_them(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.store.batches.clear()
        lab.store.entered.clear()
        lab.store.open.clear()
        lab.answer("m1", "delivered")
        await entered(lab)
        lab.answer("m2", "delivered")
        stored = lab.background(lab.settle())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not stored.done()
        assert len(lab.store.batches) == 1
        lab.store.open.set()
        await stored
        assert [[row.id for row in batch.finished] for batch in lab.store.batches] == [["m1"], ["m2"]]


@pytest.mark.parametrize("late", [False, True])
@in_virtual_time
async def test_a_failed_group_is_repeated_as_it_was_until_it_is_stored(tmp_path: Path, *, late: bool) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.store.batches.clear()
        setattr(lab.store, "fails_late" if late else "fails", 3)
        lab.answer("m1", "processing", partscount=1)
        taking = lab.background(lab.offer("m2", channel="sms"))
        await lab.until(lambda: lab.core.committer.meter.problem is not None)
        lab.answer("m1", "delivered", cost="0.5")
        assert not lab.shown("messages_finished")
        assert (await taking).accepted == 1
        await lab.settle()
        first, *repeated = lab.store.batches[:4]
        assert repeated == [first] * 3
        assert first not in lab.store.batches[4:]
        for _ in range(2):
            assert lab.shown("messages_finished") == 1
            assert lab.shown("messages_accepted") == 2
            assert lab.shown("cost") == 0.5
            assert lab.shown("message_status", status="processing") == 1
            await lab.restart()


@in_virtual_time
async def test_polling_pauses_while_the_store_does_not_work_and_goes_on_by_itself(tmp_path: Path) -> None:
    async with Lab(tmp_path, accounts=[account("main"), account("two")]) as lab:
        await lab.offer("m1", channel="sms")
        woken: list[str] = []
        for desk in lab.core.desks.values():
            desk.wake = lambda _, name=desk.account: woken.append(name)  # type: ignore[misc]
        lab.store.fails = 2
        taking = lab.background(lab.offer("m2"))
        await lab.until(lambda: lab.core.committer.meter.problem is not None)
        assert lab.shown("exporter_account_paused", reason="store") == 2
        assert lab.shown("exporter_store_up") == 0
        assert lab.shown("smsbat_exporter_request_budget") == 0
        budget = lab.core.desks["main"].budget
        assert budget.ready_at(lab.clock.at, spare=False) == float("inf")
        assert view.problems(lab.core) == ["store: the disk is full; polling waits, and goes on by itself"]
        woken.clear()
        await taking
        assert set(woken) == {"main", "two"}
        assert budget.paused(lab.clock.at) == ()
        assert budget.ready_at(lab.clock.at, spare=False) <= lab.clock.at
        assert lab.shown("exporter_store_up") == 1
        assert lab.shown("exporter_store_errors") == 2
        assert view.problems(lab.core) == []


@in_virtual_time
async def test_an_account_that_is_added_while_the_store_does_not_work_is_paused_too() -> None:
    async with Lab() as lab:
        lab.store.fails = 2
        taking = lab.background(lab.offer("m1"))
        await lab.until(lambda: lab.core.committer.meter.problem is not None)
        lab.reload(accounts=[account("main"), account("new")])
        assert lab.core.desks["new"].budget.paused(lab.clock.at) == (Pause.STORE,)
        await taking
        assert lab.core.desks["new"].budget.paused(lab.clock.at) == ()


@in_virtual_time
async def test_a_message_that_ends_before_its_acceptance_is_stored_is_counted_once(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        lab.store.open.clear()
        taking = lab.background(lab.offer("m1", channel="sms"))
        await lab.until(lambda: lab.core.in_flight.find("main", "m1") is not None, every=0.0)
        lab.core.tracker.abandon(lab.slot("m1"))
        lab.store.open.set()
        await taking
        await lab.settle()
        for _ in range(2):
            assert lab.shown("messages_accepted") == 1
            assert lab.shown("messages_abandoned") == 1
            assert not lab.shown("smsbat_messages_in_flight")
            assert len(lab.core.in_flight) == 0
            await lab.restart()


@in_virtual_time
async def test_what_a_poll_left_unchanged_is_stored_within_a_second(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.answer("m1", "processing")
        await lab.settle()
        lab.advance(5)
        lab.answer("m1", "processing")
        stored = len(lab.store.batches)
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        await lab.until(lambda: len(lab.store.batches) > stored)
        assert loop.time() - asked_at <= 1.5
        await lab.settle()
        await lab.restart()
        assert lab.core.in_flight.columns.in_flight_at[lab.slot("m1")] == lab.clock.at


@in_virtual_time
async def test_stopping_stores_what_there_is(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.answer("m1", "delivered")
        lab.core.committer.stop()
        await lab.until(lambda: lab.shown("messages_finished") == 1)
        await lab.restart()
        assert lab.shown("messages_finished") == 1


@in_virtual_time
async def test_who_waits_for_a_commit_does_not_wait_for_its_group_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.commit._GROUP_SECONDS", 3_600.0)
    async with Lab() as lab:
        began = asyncio.get_running_loop().time()
        await lab.offer("m1")
        lab.answer("m1", "processing")
        await lab.settle()
        assert asyncio.get_running_loop().time() - began < 3_600
        lab.answer("m1", "delivered")
        await lab.until(lambda: lab.shown("messages_finished") == 1, every=60.0)
        assert asyncio.get_running_loop().time() - began >= 3_600


@in_virtual_time
async def test_slices_that_left_the_window_are_deleted_now_and_then_not_with_every_group() -> None:
    async with Lab(window="1h") as lab:
        await lab.settle()
        started_at = lab.clock.at
        for seconds in (0, 5, 9, 11, 12, 30):
            lab.clock.at = started_at + seconds
            await lab.offer(f"m{seconds}")
        forgotten = [batch.forget_windows_before for batch in lab.store.batches[-6:]]
        oldest_at = started_at - 3_600 - 60
        assert forgotten == [0.0, 0.0, 0.0, oldest_at + 11, 0.0, oldest_at + 30]
        assert lab.store.batches[0].forget_windows_before == oldest_at

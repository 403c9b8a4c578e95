"""The only writer: each message ends once, whatever comes in which order, and changes no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from exporter.message import Observation, PollResult, Status, StatusReport
from exporter.records import Finished
from tests.lab import Lab
from tests.virtual_time import DAY, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path


def apply(lab: Lab, slot: int, seq: int, status: Status) -> PollResult:
    desk = lab.core.desks["main"]
    now = lab.clock.at
    return lab.core.tracker.apply(slot, seq, Observation(now, now, StatusReport(status=status)), desk)


@in_virtual_time
async def test_a_call_counts_as_changed_only_when_the_message_is_another_one_after_it() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        for status in ("scheduled", "scheduled", "processing", "delivered"):
            lab.answer("m1", status)
        await lab.settle()
        assert lab.shown("exporter_polls", result="changed") == 3
        assert lab.shown("exporter_polls", result="unchanged") == 1


@pytest.mark.parametrize(
    ("late", "anomalies"), [(Status.DELIVERED, 0), (Status.PROCESSING, 0), (Status.UNDELIVERABLE, 1)]
)
@pytest.mark.parametrize("stored", [False, True])
@in_virtual_time
async def test_an_answer_that_comes_after_the_end_changes_nothing(
    tmp_path: Path, late: Status, anomalies: int, *, stored: bool
) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        slot = lab.slot("m1")
        seq = lab.core.in_flight.columns.seq[slot]
        lab.answer("m1", "delivered")
        if stored:
            await lab.settle()
        assert apply(lab, slot, seq, late) is PollResult.UNCHANGED
        await lab.settle()
        assert lab.shown("messages_finished") == 1
        assert lab.shown("messages_finished", outcome="delivered") == 1
        if not stored:
            assert lab.shown("exporter_anomalies", kind="conflicting_final_status") == anomalies


@in_virtual_time
async def test_an_answer_about_the_message_that_had_the_slot_before_is_not_taken_for_the_new_one() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        slot = lab.slot("m1")
        seq = lab.core.in_flight.columns.seq[slot]
        lab.answer("m1", "delivered")
        await lab.settle()
        await lab.offer("m2", channel="sms")
        assert lab.slot("m2") == slot
        apply(lab, slot, seq, Status.UNDELIVERABLE)
        await lab.settle()
        assert lab.core.in_flight.get(slot).status is Status.ACCEPTED
        assert lab.shown("messages_finished") == 1


@in_virtual_time
async def test_sequence_numbers_are_never_used_again_also_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", "m2")
        lab.answer("m2", "delivered")
        await lab.settle()
        await lab.restart()
        await lab.offer("m3")
        assert lab.core.in_flight.columns.seq[lab.slot("m3")] == 3


@in_virtual_time
async def test_an_abandoned_message_has_no_outcome_and_is_remembered(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.answer("m1", "processing")
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        for _ in range(2):
            assert lab.shown("messages_abandoned") == 1
            assert not lab.shown("messages_finished")
            assert not lab.shown("smsbat_messages_in_flight")
            assert (await lab.offer("m1")).duplicates == (0,)
            await lab.restart()
        row = await lab.core.writer.call(lambda store: store.finished("main", "m1"))
        assert row is not None
        assert msgspec.json.decode(row.body, type=Finished).outcome == "abandoned"


@in_virtual_time
async def test_what_is_remembered_of_an_end_is_what_the_answer_said(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="viber_otp")
        lab.advance(3)
        lab.answer("m1", "processing")
        lab.advance(4)
        channels = {"viber": "undeliverable", "sms": "delivered"}
        lab.answer("m1", "delivered", cost="0.10", rate="0.05", partscount=2, extendedStatuses=channels)
        await lab.settle()
        row = await lab.core.writer.call(lambda store: store.finished("main", "m1"))
        assert row is not None
        assert row.finished_at == lab.clock.at
        assert msgspec.json.decode(row.body, type=Finished) == Finished(
            channel="viber_otp",
            outcome="delivered",
            sent_at=lab.clock.at - 7,
            accepted_at=lab.clock.at - 7,
            polls=2,
            status="delivered",
            parts=2,
            cost="0.10",
            currency="USD",
            rate="0.05",
            fallback="used",
            via="sms",
            lower_seconds=3.0,
            upper_seconds=7.0,
        )


@in_virtual_time
async def test_404_ends_a_message_only_while_the_account_sees_others(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(121)
        lab.not_found("m1")
        assert lab.core.in_flight.find("main", "m1") is not None, "nothing else was ever found"
        lab.answer("m2", "processing")
        lab.advance(601)
        lab.not_found("m1")
        assert lab.core.in_flight.find("main", "m1") is not None, "the other answer is over ten minutes old"
        lab.answer("m2", "processing")
        await lab.settle()
        await lab.restart()
        lab.not_found("m1")
        assert lab.core.in_flight.find("main", "m1") is not None, "after a restart nothing was found yet"
        lab.answer("m2", "processing")
        lab.not_found("m1")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="not_found", fallback="unknown") == 1


@in_virtual_time
async def test_a_message_that_was_found_once_is_missed_only_at_its_deadline() -> None:
    async with Lab(polling=[{"timeout": "1h"}]) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.answer("m1", "processing")
        lab.advance(3_000)
        lab.answer("m2", "processing")
        lab.not_found("m1")
        await lab.settle()
        assert not lab.shown("messages_finished")
        lab.advance(600)
        lab.not_found("m1")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="not_found") == 1


@in_virtual_time
async def test_faults_change_nothing_about_a_message_however_many(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        lab.answer("m1", "processing")
        before = lab.core.in_flight.get(lab.slot("m1"))
        for code in (400, 401, 403, 429, 500, 503, 204, 302, 418, None):
            lab.fail("m1", code)
        after = lab.core.in_flight.get(lab.slot("m1"))
        assert msgspec.structs.replace(after, polls=before.polls, other_at=before.other_at) == before
        assert after.polls == 11
        lab.advance(4 * DAY - 1)
        assert lab.core.in_flight.find("main", "m1") is not None
        await lab.settle()
        assert not lab.shown("messages_finished")

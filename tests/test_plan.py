"""Where a message waits: its polling entry, its first poll, its deadline; and what it does without an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import Lab, account
from tests.virtual_time import DAY, START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

POLLING = [
    {"channels": ["viber_otp"], "first": "1.5s", "timeout": "2m", "mature": "1m"},
    {"first": "30s", "interval": "30s", "timeout": "1h", "mature": "10m"},
]
BOTH = [account("main"), account("gone")]
ONE = [account("main")]


def due_in(lab: Lab, message_id: str) -> float:
    """Return how long after the lab's start a message is polled."""
    return lab.core.in_flight.columns.due_at[lab.slot(message_id)] - START


@in_virtual_time
async def test_the_first_entry_that_matches_says_when_a_message_is_polled_and_ends() -> None:
    async with Lab(polling=POLLING, buckets=[1_000]) as lab:
        await lab.offer("otp", channel="viber_otp")
        await lab.offer("sms", channel="sms")
        assert (due_in(lab, "otp"), due_in(lab, "sms")) == (1.5, 30)
        plan = lab.core.plan
        assert plan.rules.deadline_at(lab.slot("otp")) - START == 120
        assert plan.rules.deadline_at(lab.slot("sms")) - START == 3_600
        assert plan.rules.mature_seconds(lab.slot("otp")) == 60


@pytest.mark.parametrize(("ttl", "ends"), [(None, 3_600), (60.0, 180), (5_000.0, 3_600)])
@in_virtual_time
async def test_the_deadline_is_the_smaller_of_timeout_and_ttl_with_its_grace(
    tmp_path: Path, ttl: float | None, ends: float
) -> None:
    async with Lab(tmp_path, polling=POLLING) as lab:
        await lab.offer("m1", channel="sms", ttl=ttl)
        for _ in range(2):
            lab.clock.at = START + ends - 1
            lab.answer("m1", "processing")
            assert due_in(lab, "m1") == ends, "no poll starts between the one before the deadline and the deadline"
            await lab.settle()
            assert not lab.shown("messages_finished")
            await lab.restart()
        lab.clock.at = START + ends
        lab.answer("m1", "processing")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="timeout") == 1


@in_virtual_time
async def test_the_clock_of_a_scheduled_send_starts_when_it_is_sent(tmp_path: Path) -> None:
    ahead = 30 * DAY
    async with Lab(tmp_path, polling=POLLING, channels=["viber_otp"]) as lab:
        await lab.offer("m1", channel="viber_otp", sent_at=START + ahead, ttl=30.0)
        for _ in range(2):
            assert due_in(lab, "m1") == ahead + 1.5
            assert lab.core.plan.rules.deadline_at(lab.slot("m1")) == START + ahead + 120
            await lab.restart()
        lab.advance(20 * DAY)
        assert lab.shown("smsbat_messages_in_flight") == 1
        assert lab.shown("smsbat_messages_in_flight_older_than") == 0
        assert lab.shown("messages_matured") == 0
        lab.advance(10 * DAY + 4)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == 4
        assert lab.shown("messages_matured", result="delivered") == 1


@pytest.mark.parametrize("how", ["reload", "restart"])
@in_virtual_time
async def test_a_message_of_a_removed_account_is_parked_and_goes_on_when_it_returns(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, polling=POLLING, buckets=[1_000], accounts=BOTH) as lab:
        await lab.offer("m1", "m2", account="gone", channel="sms")
        await lab.offer("m1", account="main", channel="sms")
        await lab.become(how, accounts=ONE)
        assert lab.shown("exporter_parked_messages") == 2
        assert lab.shown("smsbat_messages_in_flight", account="gone") == 2
        assert (await lab.offer("m3", account="gone")).rejected
        await lab.become(how, accounts=BOTH)
        assert lab.shown("exporter_parked_messages") == 0
        assert due_in(lab, "m1") == 30
        assert lab.core.in_flight.columns.due_at[lab.slot("m2", "gone")] == START + 30
        lab.answer("m1", "delivered", account="gone")
        await lab.settle()
        assert lab.shown("messages_finished", account="gone", outcome="delivered") == 1


@pytest.mark.parametrize("how", ["reload", "restart"])
@in_virtual_time
async def test_parked_messages_are_abandoned_at_their_own_deadlines(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, polling=POLLING, accounts=BOTH) as lab:
        await lab.offer("otp", channel="viber_otp", account="gone")
        await lab.offer("sms", channel="sms", account="gone")
        await lab.become(how, accounts=ONE)
        for age, parked, abandoned in ((119, 2, 0), (121, 1, 1), (3_599, 1, 1), (3_601, 0, 2)):
            lab.advance(START + age - lab.clock.at)
            await lab.settle()
            assert lab.shown("exporter_parked_messages") == parked
            assert (lab.shown("messages_abandoned", account="gone") or 0) == abandoned
        assert not lab.shown("messages_finished", account="gone")
        await lab.become(how, accounts=BOTH)
        assert (await lab.offer("sms", account="gone")).duplicates == (0,)


@in_virtual_time
async def test_a_parked_message_matures_by_its_own_entry() -> None:
    async with Lab(polling=POLLING, accounts=BOTH) as lab:
        await lab.offer("otp", channel="viber_otp", account="gone")
        await lab.become("reload", accounts=ONE)
        lab.advance(61)
        await lab.settle()
        assert lab.shown("messages_matured", result="unknown") == 1


@in_virtual_time
async def test_messages_whose_acceptance_is_being_stored_while_their_account_goes_are_parked_once() -> None:
    async with Lab(accounts=BOTH) as lab:
        lab.store.fails = 1
        taking = lab.background(lab.offer("m1", "m2", account="gone"))
        await lab.until(lambda: lab.core.committer.meter.problem is not None)
        lab.reload(accounts=ONE)
        lab.core.tracker.abandon(lab.slot("m2", "gone"))
        await lab.settle()
        assert (await taking).accepted == 2
        assert lab.shown("exporter_parked_messages") == 1
        assert lab.shown("smsbat_messages_in_flight") == 1


@in_virtual_time
async def test_a_reload_gives_messages_their_new_pace_and_deadline() -> None:
    async with Lab(polling=[{"first": "30s", "interval": "30s"}]) as lab:
        await lab.offer("m1", channel="sms")
        await lab.become("reload", polling=[{"first": "5s", "timeout": "1m", "mature": "20s"}], buckets=[1_000])
        assert due_in(lab, "m1") == 5
        lab.advance(21)
        await lab.settle()
        assert lab.shown("messages_matured") == 1
        assert lab.core.plan.rules.deadline_at(lab.slot("m1")) - START == 60


@in_virtual_time
async def test_a_failed_call_is_repeated_within_a_minute_and_not_within_a_second() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        for _ in range(20):
            lab.fail("m1", 500)
            wait = lab.core.in_flight.columns.due_at[lab.slot("m1")] - lab.clock.at
            assert 1 <= wait <= 60
            lab.clock.at += wait

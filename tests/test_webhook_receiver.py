"""A webhook announces, the API confirms, and the message is counted once; by a core without HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from exporter.columns import CLAIMED
from exporter.intake.listed import Listed
from exporter.message import Observation, Status, StatusReport
from exporter.store import StoreError
from exporter.webhook.bodies import notice_in
from exporter.webhook.receiver import Receiver
from tests.lab import Lab, account
from tests.virtual_time import START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

HOOKED: dict[str, Any] = {
    "accounts": [account(webhook_token="token")],
    "polling": [{"first": "2s", "interval": "100s", "max_interval": "1h", "mature": "5m"}],
    "buckets": [80_000.0],
}


def written(at: float, *, exact: bool = True) -> str:
    return datetime.fromtimestamp(START + at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if exact else "%Y-%m-%dT%H:%M:%SZ")


async def hook(lab: Lab, message_id: str, status: str, timestamp: str | None = None, **more: object) -> bool:
    """Let a webhook come; returns whether its message is known."""
    body = {"messageId": message_id, "deliverystatus": status, "timestamp": timestamp, **more}
    found, notice = notice_in(json.dumps(body).encode(), lab.words)
    return await Receiver(lab.core).receive("main", found, notice)


def results(lab: Lab) -> dict[str, float]:
    """Return the results that were counted."""
    shown = [(labels["result"], value) for name, labels, value in lab.samples() if name.endswith("webhooks_total")]
    return {result: value for result, value in shown if value}


async def sent(lab: Lab, *ids: str) -> None:
    """Send messages now, and let 20 s pass; the first poll says processing."""
    await lab.offer(*ids, channel="viber_otp")
    lab.advance(2)
    for each in ids:
        lab.answer(each, "processing")
    lab.advance(18)


async def remembered(lab: Lab, message_id: str) -> dict[str, Any]:
    row = await lab.core.writer.call(lambda store: store.finished("main", message_id))
    assert row is not None
    known: dict[str, Any] = json.loads(row.body)
    return known


@in_virtual_time
async def test_an_announced_end_is_confirmed_by_one_poll_at_once_and_takes_the_webhooks_time() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] > lab.clock.at + 60
        assert await hook(lab, "m1", "delivered", written(7.5))
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] == pytest.approx(lab.clock.at, abs=0.01)
        assert not lab.shown("messages_finished", outcome="delivered")
        assert results(lab) == {}
        fallbacks = [{"type": "sms", "status": "not_used"}]
        lab.answer("m1", "delivered", took=0.1, cost=0.25, partscount=2, fallbacks=fallbacks)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="delivered", fallback="unused") == 1
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(7.5)
        assert lab.shown("time_to_delivery_lower_bound_seconds_sum") == pytest.approx(7.5)
        assert lab.shown("cost", outcome="delivered") == 0.25
        assert results(lab) == {"applied": 1}


@in_virtual_time
async def test_the_poller_is_woken_for_a_webhook() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        woken: list[float] = []
        lab.core.desks["main"].wake = woken.append
        await hook(lab, "m1", "delivered", written(7.5))
        assert woken == [lab.clock.at]


@in_virtual_time
async def test_no_poll_comes_within_a_second_of_the_last_one_for_a_webhook() -> None:
    async with Lab(**HOOKED) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        lab.advance(0.5)
        await hook(lab, "m1", "delivered", written(1))
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] == pytest.approx(lab.clock.at + 0.5, abs=0.01)


@in_virtual_time
async def test_in_flight_contradicts_the_webhook_which_is_then_ignored_for_good() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.answer("m1", "processing")
        await lab.settle()
        assert results(lab) == {"contradicted": 1}
        due_at = lab.core.in_flight.columns.due_at[lab.slot("m1")]
        assert due_at > lab.clock.at + 60
        assert await hook(lab, "m1", "delivered", written(7.5))
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] == due_at
        assert results(lab) == {"contradicted": 1, "unchanged": 1}
        lab.advance(80)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(100)
        assert lab.shown("time_to_delivery_lower_bound_seconds_sum") == pytest.approx(20)
        lab.advance(61)
        assert lab.shown("exporter_webhooks_missed") == 0


@in_virtual_time
async def test_a_contradicted_one_stays_ignored_after_a_restart_and_another_one_counts_anew(tmp_path: Path) -> None:
    async with Lab(tmp_path, **HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.answer("m1", "processing")
        await lab.settle()
        await lab.restart()
        await hook(lab, "m1", "delivered", written(7.5))
        assert results(lab) == {"unchanged": 1}
        assert not lab.core.in_flight.columns.has(lab.slot("m1"), CLAIMED)
        await hook(lab, "m1", "delivered", written(18.5))
        lab.advance(1)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(18.5)
        assert results(lab) == {"unchanged": 1, "applied": 1}


@in_virtual_time
async def test_a_call_under_way_when_the_webhook_came_says_nothing_and_the_api_is_asked_again_soon() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        started_at = lab.clock.at - 0.5
        slot, desk, columns = lab.slot("m1"), lab.core.desks["main"], lab.core.in_flight.columns
        await hook(lab, "m1", "delivered", written(19))
        report = StatusReport(status=Status.PROCESSING)
        lab.core.tracker.apply(slot, columns.seq[slot], Observation(started_at, lab.clock.at, report), desk)
        assert columns.has(slot, CLAIMED)
        assert results(lab) == {}
        lab.answer("m1", "unheard_of")
        assert lab.clock.at + 1 <= columns.due_at[slot] <= lab.clock.at + 2


@in_virtual_time
async def test_unconfirmed_for_a_minute_it_is_counted_as_announced() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        waits = lab.background(lab.core.tracker.wait("main", "m1", 600.0))
        await hook(lab, "m1", "undeliverable", written(9), cost=0.5)
        for _ in range(4):
            lab.advance(14)
            lab.fail("m1")
        await lab.settle()
        assert not lab.shown("messages_finished", outcome="undeliverable")
        assert not waits.done()
        lab.advance(5)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="undeliverable", fallback="unknown") == 1
        assert lab.shown("message_status", status="undeliverable") == 1
        assert lab.shown("time_to_failure_seconds_sum") == pytest.approx(9)
        assert lab.shown("cost", outcome="undeliverable") == 0.5
        assert results(lab) == {"applied": 1}
        assert await waits is True


@in_virtual_time
async def test_a_kill_forgets_no_webhook_that_was_answered_and_the_api_is_asked_first(tmp_path: Path) -> None:
    async with Lab(tmp_path, **HOOKED) as lab:
        await sent(lab, "m1", "m2")
        await hook(lab, "m1", "delivered", written(7.5))
        await hook(lab, "m2", "delivered", written(8.5))
        await lab.kill()
        lab.clock.at += 3_600
        await lab.start()
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] == pytest.approx(lab.clock.at, abs=0.01)
        lab.advance(1)
        lab.answer("m1", "delivered")
        lab.advance(30)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="delivered") == 1
        lab.advance(31)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="delivered") == 2
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(16)
        assert await lab.core.writer.call(lambda store: store.notes("claim")) == {}


@in_virtual_time
async def test_a_webhook_is_taken_only_once_it_is_stored() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await lab.settle()
        lab.store.open.clear()
        taking = lab.background(hook(lab, "m1", "delivered", written(7.5)))
        replay = lab.background(hook(lab, "m1", "delivered", written(7.5)))
        await lab.turn()
        assert not taking.done()
        assert not replay.done()
        lab.store.open.set()
        assert await taking
        assert await replay


@in_virtual_time
async def test_replays_and_what_comes_late_change_nothing() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        for status in ("delivered", "undeliverable", "processing", "scheduled"):
            assert await hook(lab, "m1", status, written(8.5))
        lab.answer("m1", "delivered")
        await lab.settle()
        assert await hook(lab, "m1", "delivered", written(7.5))
        assert results(lab) == {"applied": 1, "unchanged": 5}
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(7.5)
        assert not lab.shown("exporter_anomalies")
        assert await hook(lab, "m1", "undeliverable", written(9))
        await lab.settle()
        assert lab.shown("exporter_anomalies", kind="conflicting_final_status") == 1
        assert lab.shown("messages_finished") == 1


@in_virtual_time
async def test_the_apis_other_end_counts_and_the_webhook_was_wrong() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.answer("m1", "undeliverable")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="undeliverable") == 1
        assert not lab.shown("messages_finished", outcome="delivered")
        assert results(lab) == {"contradicted": 1}


@in_virtual_time
async def test_steps_on_the_way_are_seen_once_and_prove_no_time() -> None:
    async with Lab(**HOOKED) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(1)
        for status in ("processing", "processing", "scheduled"):
            await hook(lab, "m1", status, written(0.5))
        assert lab.shown("message_status", status="processing") == 1
        assert not lab.shown("message_status", status="scheduled")
        assert lab.shown("messages_in_flight", status="processing") == 1
        assert results(lab) == {"applied": 1, "unchanged": 2}
        lab.advance(1)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_lower_bound_seconds_sum") == 0


@in_virtual_time
async def test_a_word_that_nobody_knows_is_an_anomaly_and_an_alias_is_understood() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        assert await hook(lab, "m1", "teleported", written(7))
        await lab.settle()
        assert lab.shown("exporter_anomalies", kind="unknown_status") == 1
        await hook(lab, "m1", "Read", written(7.5))
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(7.5)


@in_virtual_time
async def test_what_was_counted_once_is_not_counted_again_when_it_is_repeated() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1", "m2")
        for _ in range(3):
            await hook(lab, "m1", "teleported", written(7))
            for at in (7.5, 8.5):
                await hook(lab, "m1", "delivered", written(at))
                lab.advance(1)
                lab.answer("m1", "processing")
        lab.answer("m2", "delivered")
        await lab.settle()
        for _ in range(3):
            assert await hook(lab, "m2", "undeliverable", written(9))
        await lab.settle()
        assert lab.shown("exporter_anomalies", kind="unknown_status") == 1
        assert lab.shown("exporter_anomalies", kind="conflicting_final_status") == 1
        assert results(lab)["contradicted"] == 2


@in_virtual_time
async def test_what_is_odd_about_an_answer_counts_once_though_it_ends_nothing_yet() -> None:
    async with Lab(**{**HOOKED, "polling": [{"timeout": "10s", "mature": "5s"}]}) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        for _ in range(3):
            lab.advance(5)
            lab.answer("m1", "teleported", cost=-1)
        lab.answer("m1", "delivered", cost=-1)
        await lab.settle()
        assert lab.shown("exporter_anomalies", kind="negative_cost") == 1


@in_virtual_time
async def test_an_end_that_is_not_stored_yet_is_waited_for() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await lab.settle()
        lab.store.open.clear()
        lab.answer("m1", "delivered")
        taking = lab.background(hook(lab, "m1", "delivered", written(7.5)))
        await lab.turn()
        assert not taking.done()
        lab.store.open.set()
        assert await taking


@in_virtual_time
async def test_a_store_that_takes_too_long_is_an_error_and_the_webhook_stays_noted() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await lab.settle()
        lab.store.open.clear()
        with pytest.raises(StoreError):
            await hook(lab, "m1", "delivered", written(7.5))
        lab.store.open.set()
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(7.5)


@in_virtual_time
async def test_a_slot_that_is_used_again_ages_as_if_nothing_had_been() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        await lab.offer("m2", channel="sms", sent_at=lab.clock.at - 290)
        lab.advance(12)
        await lab.settle()
        assert lab.shown("messages_matured", channel="sms") == 1
        assert lab.shown("messages_in_flight_older_than", age="1m") == 1


@in_virtual_time
async def test_a_time_that_cannot_be_counts_as_the_arrival_and_is_an_anomaly() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", "2001-01-01T00:00:00Z")
        lab.advance(3)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("time_to_delivery_seconds_sum") == pytest.approx(20)
        assert lab.shown("time_to_delivery_lower_bound_seconds_sum") == pytest.approx(2)
        assert lab.shown("exporter_anomalies", kind="webhook_time") == 1


@in_virtual_time
async def test_a_webhook_about_nobodys_message_is_counted_apart() -> None:
    async with Lab(**HOOKED) as lab:
        assert not await hook(lab, "m1", "delivered", written(1))
        assert results(lab) == {"unknown_message": 1}


@in_virtual_time
async def test_a_message_announced_before_its_mature_age_is_judged_by_its_end() -> None:
    async with Lab(**HOOKED) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(290)
        await hook(lab, "m1", "delivered", written(280))
        await hook(lab, "m2", "delivered", written(280))
        lab.advance(15)
        lab.answer("m1", "delivered")
        lab.answer("m2", "processing")
        lab.advance(2)
        await lab.settle()
        assert lab.shown("messages_matured", result="delivered") == 1
        assert lab.shown("messages_matured", result="pending") == 1


@in_virtual_time
async def test_an_announced_message_that_is_abandoned_leaves_nothing_behind() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        assert results(lab) == {"unchanged": 1}
        assert await lab.core.writer.call(lambda store: store.notes("claim")) == {}
        lab.advance(120)
        await lab.settle()
        assert not lab.shown("messages_finished")


@in_virtual_time
async def test_a_message_whose_account_went_away_ends_as_announced() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1")
        await hook(lab, "m1", "delivered", written(7.5))
        lab.reload(accounts=[account("other")])
        lab.advance(61)
        await lab.settle()
        assert lab.shown("messages_finished", account="main", outcome="delivered", fallback="unknown") == 1


@in_virtual_time
async def test_an_end_is_announced_even_before_its_message_is_stored() -> None:
    listed = {"id": "m1", "account": "main", "channel": "sms"}
    async with Lab(**HOOKED, messages=[listed]) as lab:
        core = lab.core
        lab.store.open.clear()
        following = lab.background(Listed(core.tracker, core.admission, core.writer).follow(core.config))
        await lab.until(lambda: core.in_flight.find("main", "m1") is not None)
        taking = lab.background(hook(lab, "m1", "delivered", written(0)))
        await lab.turn()
        lab.store.open.set()
        await following
        assert await taking
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="delivered") == 1
        assert lab.shown("messages_in_flight_older_than") == 0


@in_virtual_time
async def test_a_webhook_that_does_not_come_within_a_minute_of_the_poll_is_missed() -> None:
    async with Lab(**HOOKED) as lab:
        await sent(lab, "m1", "m2", "m3")
        lab.answer("m1", "delivered")
        lab.answer("m2", "undeliverable")
        await hook(lab, "m3", "delivered", written(7.5))
        lab.answer("m3", "delivered")
        lab.advance(59)
        assert await hook(lab, "m1", "processing", written(9))
        assert await hook(lab, "m2", "undeliverable", written(9))
        assert lab.shown("exporter_webhooks_missed") == 0
        lab.advance(2)
        assert lab.shown("exporter_webhooks_missed", account="main") == 1


@in_virtual_time
async def test_nobody_misses_the_webhooks_of_an_account_without_a_token_nor_of_a_timeout() -> None:
    async with Lab(**{**HOOKED, "accounts": [account(webhook_token="token"), account("quiet")]}) as lab:
        await lab.offer("m1", account="quiet", channel="sms")
        await lab.offer("m2", channel="sms", ttl=10.0)
        lab.answer("m1", "delivered", account="quiet")
        lab.advance(600)
        lab.answer("m2", "processing")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="timeout") == 1
        lab.advance(61)
        assert lab.shown("exporter_webhooks_missed") == 0
        assert lab.shown("exporter_webhooks_missed", account="quiet") is None

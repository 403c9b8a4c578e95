"""What other settings do to totals that exist already, by a reload and by a restart alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import Lab, account
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

HOWS = pytest.mark.parametrize("how", ["reload", "restart"])
CAMPAIGN: dict[str, object] = {"campaign": {}}
OTP = {"name": "otp-10s", "within": "10s", "target": 0.95}


async def deliver(lab: Lab, message_id: str, **labels: str) -> None:
    await lab.offer(message_id, channel="sms", labels=labels)
    lab.answer(message_id, "delivered", cost="0.5")
    await lab.settle()


@HOWS
@in_virtual_time
async def test_totals_of_a_removed_label_are_unshown_and_return_with_it(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN) as lab:
        await deliver(lab, "m1", campaign="spring")
        await lab.become(how, labels={})
        assert lab.shown("messages_finished") is None
        assert lab.shown("message_status", channel="sms", status="delivered") == 1, "it never had the label"
        await deliver(lab, "m2", campaign="spring")
        assert lab.shown("messages_finished", channel="sms") == 1
        assert not any("campaign" in labels for _, labels, _ in lab.samples())
        await lab.become(how, labels={"team": {}})
        await deliver(lab, "m3", team="red")
        assert lab.shown("messages_finished") == 1
        assert lab.shown("cost", team="red") == 0.5
        await lab.become(how, labels=CAMPAIGN)
        await deliver(lab, "m4", campaign="spring")
        assert lab.shown("messages_finished", campaign="spring") == 2
        assert lab.shown("cost", campaign="spring") == 1.0
        assert lab.shown("messages_matured", campaign="spring", result="delivered") == 2


@HOWS
@in_virtual_time
async def test_a_message_in_flight_counts_under_the_labels_of_its_end(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN) as lab:
        await lab.offer("m1", "m2", channel="sms", labels={"campaign": "spring"})
        await lab.become(how, labels={})
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("messages_finished") == 1
        await lab.become(how, labels={**CAMPAIGN, "a_team": {}})
        lab.answer("m2", "delivered")
        await lab.settle()
        assert lab.shown("messages_finished", campaign="spring", a_team="") == 1


@in_virtual_time
async def test_what_was_not_stored_yet_shows_under_the_new_labels() -> None:
    async with Lab(labels=CAMPAIGN) as lab:
        await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
        await lab.settle()
        lab.answer("m1", "delivered")
        lab.reload(labels={**CAMPAIGN, "a_team": {}})
        await lab.settle()
        assert lab.shown("messages_finished", campaign="spring", a_team="") == 1


@in_virtual_time
async def test_nothing_is_lost_when_labels_change_while_a_group_is_being_stored(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN) as lab:
        await deliver(lab, "m1", campaign="spring")
        await lab.offer("m2", "m3", channel="sms", labels={"campaign": "spring"})
        lab.store.fails = 1
        lab.answer("m2", "delivered")
        await lab.until(lambda: lab.core.committer.meter.problem is not None)
        lab.answer("m3", "delivered")
        lab.reload(labels={})
        await lab.settle()
        assert lab.shown("messages_finished") == 1, "the third, counted under the labels in force when it is stored"
        for how in ("reload", "restart"):
            await lab.become(how, labels=CAMPAIGN)
            assert lab.shown("messages_finished", campaign="spring") == 2
            await lab.become(how, labels={})
            assert lab.shown("messages_finished") == 1


@HOWS
@in_virtual_time
async def test_the_caps_on_values_hold_across_the_change(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, labels={"campaign": {"max_values": 1}}) as lab:
        await deliver(lab, "m1", campaign="spring")
        await lab.become(how, buckets=[1, 2])
        await deliver(lab, "m2", campaign="summer")
        assert lab.shown("messages_finished", campaign="other") == 1
        await lab.become(how, labels={"campaign": {"max_values": 2}})
        await deliver(lab, "m3", campaign="summer")
        assert lab.shown("messages_finished", campaign="summer") == 1
        assert lab.shown("messages_finished", campaign="spring") == 1


@HOWS
@in_virtual_time
async def test_a_histogram_whose_buckets_change_starts_again_at_0_and_counters_go_on(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, buckets=[1, 10]) as lab:
        await deliver(lab, "m1")
        await lab.become(how, buckets=[1, 20])
        assert lab.shown("time_to_delivery_seconds_count") == 0
        assert lab.shown("time_to_delivery_lower_bound_seconds_count") == 0
        assert lab.shown("messages_finished") == 1
        await deliver(lab, "m2")
        assert lab.shown("time_to_delivery_seconds_bucket", le="20.0") == 1
        assert lab.shown("time_to_delivery_lower_bound_seconds_bucket", le="18.0") == 1
        assert lab.shown("time_to_delivery_seconds_bucket", le="10.0") is None
        await lab.become(how, zero_hold="0s")
        assert lab.shown("time_to_delivery_seconds_count") == 1
        await lab.become(how, buckets=[1, 10])
        assert lab.shown("time_to_delivery_seconds_count") == 0


@HOWS
@in_virtual_time
async def test_histogram_labels_come_and_go(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN) as lab:
        await deliver(lab, "m1", campaign="spring")
        assert lab.shown("time_to_delivery_seconds_count", campaign="spring") is None
        await lab.become(how, histogram_labels=True)
        assert lab.shown("time_to_delivery_seconds_count") is None
        await deliver(lab, "m2", campaign="spring")
        assert lab.shown("time_to_delivery_seconds_count", campaign="spring") == 1
        await lab.become(how, histogram_labels=False)
        await deliver(lab, "m3", campaign="spring")
        assert lab.shown("time_to_delivery_seconds_count") == 2
        assert lab.shown("time_to_delivery_seconds_count", campaign="spring") is None
        await lab.become(how, histogram_labels=True)
        assert lab.shown("time_to_delivery_seconds_count", campaign="spring") == 1
        assert lab.shown("messages_finished", campaign="spring") == 3


@HOWS
@in_virtual_time
async def test_an_objective_that_is_removed_is_unshown_and_goes_on_when_it_returns(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path, objectives=[OTP]) as lab:
        await deliver(lab, "m1")
        await lab.become(how, objectives=[])
        assert lab.shown("objective_messages") is None
        assert lab.shown("smsbat_objective_target_ratio") is None
        await deliver(lab, "m2")
        await lab.become(how, objectives=[OTP])
        assert lab.shown("objective_messages", objective="otp-10s") == 1
        await deliver(lab, "m3")
        assert lab.shown("objective_messages", objective="otp-10s") == 2


@HOWS
@in_virtual_time
async def test_an_objective_that_is_added_judges_what_is_in_flight(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        await lab.become(how, objectives=[OTP])
        lab.advance(4)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("objective_messages") == 1
        assert not lab.shown("objective_missed")


@HOWS
@in_virtual_time
async def test_a_configured_channel_exists_at_0_from_the_start_and_is_never_held_once_stored(
    tmp_path: Path, how: str
) -> None:
    async with Lab(tmp_path, zero_hold="1m", channels=["sms"], objectives=[OTP], labels=CAMPAIGN) as lab:
        await lab.settle()
        zeros = [(name, labels) for name, labels, value in lab.samples() if labels.get("channel") == "sms"]
        assert len(zeros) > 50
        lab.advance(61)
        await deliver(lab, "m1")
        assert lab.shown("messages_finished", campaign="", outcome="delivered") == 1
        await lab.become(how, channels=["sms", "rcs"])
        assert lab.shown("messages_finished", channel="sms", outcome="delivered") == 1
        assert lab.shown("messages_finished", channel="rcs", outcome="delivered") == 0
        await lab.offer("m2", channel="rcs")
        lab.answer("m2", "delivered")
        await lab.settle()
        assert lab.shown("messages_finished", channel="rcs", outcome="delivered") == 0
        lab.advance(61)
        assert lab.shown("messages_finished", channel="rcs", outcome="delivered") == 1


@in_virtual_time
async def test_a_series_born_at_run_time_shows_0_for_zero_hold_and_not_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path, zero_hold="1m") as lab:
        await deliver(lab, "m1")
        lab.advance(59)
        assert lab.shown("messages_finished", outcome="delivered") == 0
        assert lab.shown("cost") == 0
        assert lab.shown("time_to_delivery_seconds_count") == 0
        assert lab.shown("time_to_delivery_seconds_sum") == 0
        assert lab.shown("smsbat_cost_window") == 0.5, "a gauge is not held"
        await lab.restart()
        assert lab.shown("messages_finished", outcome="delivered") == 1
        assert lab.shown("cost") == 0.5
        await deliver(lab, "m2")
        assert lab.shown("messages_finished", outcome="delivered") == 2
        await lab.offer("m3", channel="rcs")
        assert lab.shown("messages_accepted", channel="rcs") == 0
        lab.advance(60)
        assert lab.shown("messages_accepted", channel="rcs") == 1


@HOWS
@in_virtual_time
async def test_every_child_of_every_configured_account_and_channel_exists_at_0(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        polling = [{"channels": ["viber_otp"]}, {}]
        both = [account("main"), account("two", currency="UAH")]
        await lab.become(
            how, accounts=both, polling=polling, channels=["telegram"], objectives=[{**OTP, "channels": ["rcs"]}]
        )
        for own in ("main", "two"):
            for channel in ("viber_otp", "telegram", "rcs"):
                pair = {"account": own, "channel": channel}
                for status in ("scheduled", "processing", "unknown", "delivered", "undeliverable", "permanenterror"):
                    assert lab.shown("message_status", **pair, status=status) == 0
                for outcome in ("delivered", "undeliverable", "permanenterror", "timeout", "not_found", "unobserved"):
                    for fallback in ("none", "unused", "used", "unknown"):
                        assert lab.shown("messages_finished", **pair, outcome=outcome, fallback=fallback) == 0
                    assert lab.shown("message_parts", **pair, outcome=outcome) == 0
                    currency = "USD" if own == "main" else "UAH"
                    assert lab.shown("cost", **pair, outcome=outcome, currency=currency) == 0
                for result in ("delivered", "failed", "pending", "unknown"):
                    assert lab.shown("messages_matured", **pair, result=result) == 0
                for name in ("messages_accepted", "messages_abandoned", "time_to_failure_seconds_count"):
                    assert lab.shown(name, **pair) == 0
            assert lab.shown("objective_missed", account=own, channel="rcs") == 0
            assert lab.shown("objective_missed", account=own, channel="telegram") is None


@HOWS
@in_virtual_time
async def test_a_shorter_and_a_longer_window_show_what_lies_in_them(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await deliver(lab, "m1")
        lab.advance(600)
        await lab.become(how, window="5m")
        assert lab.shown("smsbat_cost_window") is None
        await deliver(lab, "m2")
        await lab.become(how, window="2h")
        lab.advance(3_700)
        assert lab.shown("smsbat_cost_window") == 0.5

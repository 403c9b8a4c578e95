"""What each thing that happens to a message adds to the totals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import Lab, account
from tests.virtual_time import DAY, START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

OBJECTIVE = {"name": "otp-10s", "within": "10s", "target": 0.95}


@in_virtual_time
async def test_an_answer_of_all_fields_is_booked_when_the_message_ends() -> None:
    async with Lab(accounts=[account(currency="UAH")]) as lab:
        await lab.offer("m1", channel="viber_promo")
        lab.advance(3)
        lab.answer("m1", "processing", cost="9", partscount=9)
        lab.advance(4)
        lab.answer(
            "m1",
            "delivered",
            partscount=2,
            cost="0.1",
            fallbacks=[{"type": "sms", "status": "Not-Used"}, {"type": "Fax", "status": "lost"}],
            extendedStatuses={"viber": "delivered", "sms": "not_used"},
            rateAmount="0.2",
            rateCurrency="USD",
            billAmount=0.3,
            billCurrency="EUR",
        )
        await lab.settle()
        own = {"account": "main", "channel": "viber_promo"}
        assert lab.shown("messages_finished", **own, outcome="delivered", fallback="used") == 1
        assert lab.shown("message_parts", **own, outcome="delivered") == 2
        assert lab.shown("cost", **own, outcome="delivered", currency="UAH") == 0.1
        assert lab.shown("rate_amount", **own, outcome="delivered", currency="USD") == 0.2
        assert lab.shown("bill_amount", **own, outcome="delivered", currency="EUR") == 0.3
        assert lab.shown("fallback", **own, kind="sms", status="not_used") == 1
        assert lab.shown("fallback", **own, kind="other", status="other") == 1
        assert lab.shown("channel_status", **own, via="viber", status="delivered") == 1
        assert lab.shown("channel_status", **own, via="sms", status="not_used") == 1
        assert lab.shown("time_to_delivery_seconds_sum", **own, fallback="used") == 7
        assert lab.shown("time_to_delivery_lower_bound_seconds_sum", **own, fallback="used") == 3
        assert lab.shown("message_status", **own, status="processing") == 1
        assert lab.shown("message_status", **own, status="delivered") == 1


@pytest.mark.parametrize("outcome", ["undeliverable", "permanenterror"])
@in_virtual_time
async def test_a_failure_has_a_time_to_failure_and_none_to_delivery(outcome: str) -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(5)
        lab.answer("m1", outcome, cost=0.0)
        await lab.settle()
        assert lab.shown("time_to_failure_seconds_sum", channel="sms") == 5
        assert lab.shown("time_to_delivery_seconds_count") is None
        assert lab.shown("messages_finished", outcome=outcome, fallback="none") == 1
        assert lab.shown("cost", outcome=outcome) == 0
        assert lab.shown("cost_per_delivered") is None


@in_virtual_time
async def test_each_status_counts_once_per_message_also_across_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", "m2", channel="sms")
        for status in ("scheduled", "processing", "scheduled", "teleported", "unheard-of"):
            lab.answer("m1", status)
        await lab.settle()
        await lab.restart()
        for status in ("processing", "scheduled", "teleported", "delivered"):
            lab.answer("m1", status)
        lab.answer("m2", "delivered")
        await lab.settle()
        counts = {
            status: lab.shown("message_status", status=status)
            for status in ("scheduled", "processing", "unknown", "delivered")
        }
        assert counts == {"scheduled": 1, "processing": 1, "unknown": 1, "delivered": 2}
        assert lab.shown("exporter_anomalies", kind="unknown_status") == 1


@in_virtual_time
async def test_money_that_floats_cannot_add_up_is_exact_across_restarts(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        for number in range(10):
            await lab.offer(f"m{number}", channel="sms")
            lab.answer(f"m{number}", "delivered", cost="0.1")
            await lab.settle()
            await lab.restart()
        assert lab.shown("cost") == 1.0
        assert lab.shown("cost_window") == 1.0


@in_virtual_time
async def test_windows_survive_a_restart_and_expire_and_ratios_without_a_measure_are_absent(tmp_path: Path) -> None:
    gauges = ("fallback_usage_ratio", "delivery_ratio", "cost_window", "cost_per_delivered")
    async with Lab(tmp_path, channels=["sms"]) as lab:
        assert {name: lab.shown(f"smsbat_{name}") for name in gauges} == dict.fromkeys(gauges)
        await lab.offer("m1", "m2", "m3", "m4", "m5", channel="sms")
        lab.answer("m1", "delivered", cost="0.3", fallbacks=[{"type": "sms", "status": "not_used"}])
        lab.answer("m2", "delivered", cost="0.3", fallbacks=[{"type": "sms", "status": "delivered"}])
        lab.answer("m3", "undeliverable", cost="0.3")
        lab.not_found("m4")
        lab.advance(301)
        await lab.settle()
        for _ in range(2):
            shown = {name: lab.shown(f"smsbat_{name}") for name in gauges}
            assert shown == dict(zip(gauges, (1 / 2, 2 / 3, 0.9, 0.45), strict=True))
            await lab.restart()
        lab.advance(3_700)
        for _ in range(2):
            assert {name: lab.shown(f"smsbat_{name}") for name in gauges} == dict.fromkeys(gauges)
            await lab.restart()


@in_virtual_time
async def test_the_cost_of_failures_is_borne_by_the_delivered() -> None:
    async with Lab() as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.answer("m1", "undeliverable", cost="0.5")
        await lab.settle()
        assert lab.shown("smsbat_cost_per_delivered") is None
        lab.answer("m2", "delivered", cost="0.25")
        await lab.settle()
        assert lab.shown("smsbat_cost_per_delivered") == 0.75
        assert lab.shown("smsbat_cost_window") == 0.75


JUDGED: dict[str, tuple[list[tuple[float, str]], str]] = {
    "delivered well in time": ([(4, "delivered")], "met"),
    "delivered at the last moment": ([(10, "delivered")], "met"),
    "in flight just before the deadline, delivered after": ([(9, "processing"), (11, "delivered")], "missed"),
    "in flight long before the deadline, delivered after": ([(8.9, "processing"), (11, "delivered")], "undecided"),
    "never seen before it was delivered late": ([(11, "delivered")], "undecided"),
    "unknown status just before the deadline proves nothing": ([(9.5, "teleported"), (11, "delivered")], "undecided"),
    "in flight at the deadline": ([(10, "processing")], "missed"),
    "in flight at the deadline, delivered later": ([(10, "processing"), (20, "delivered")], "missed"),
    "failed in time": ([(4, "undeliverable")], "missed"),
    "failed for good in time": ([(4, "permanenterror")], "missed"),
    "in flight before the deadline": ([(9.9, "processing")], "open"),
}


@pytest.mark.parametrize("case", JUDGED)
@pytest.mark.parametrize("restarts", [False, True])
@in_virtual_time
async def test_an_objective_judges_each_message_once(tmp_path: Path, case: str, *, restarts: bool) -> None:
    answers, verdict = JUDGED[case]
    async with Lab(tmp_path, objectives=[OBJECTIVE]) as lab:
        await lab.offer("m1", channel="sms")
        for age, status in answers:
            lab.advance(START + age - lab.clock.at)
            lab.answer("m1", status)
            await lab.settle()
            if restarts:
                await lab.restart()
        assert (
            judged(lab)
            == {
                "met": (1, 0, 0),
                "missed": (1, 1, 0),
                "undecided": (0, 0, 1),
                "open": (0, 0, 0),
            }[verdict]
        )


def judged(lab: Lab, objective: str = "otp-10s") -> tuple[float, ...]:
    names = ("objective_messages", "objective_missed", "objective_undecided")
    return tuple(lab.shown(name, objective=objective) or 0 for name in names)


@in_virtual_time
async def test_a_message_found_in_flight_past_the_deadline_is_missed_at_once_and_never_again(tmp_path: Path) -> None:
    async with Lab(tmp_path, objectives=[OBJECTIVE]) as lab:
        await lab.offer("m1", channel="sms")
        for age, status in ((12, "processing"), (30, "scheduled"), (60, "processing"), (90, "teleported")):
            lab.advance(START + age - lab.clock.at)
            lab.answer("m1", status)
            await lab.settle()
            assert judged(lab) == (1, 1, 0)
            await lab.restart()
        lab.answer("m1", "delivered")
        await lab.settle()
        assert judged(lab) == (1, 1, 0)


@pytest.mark.parametrize(
    ("end", "verdict"), [("timeout", (1, 1, 0)), ("not_found", (0, 0, 1)), ("unobserved", (0, 0, 1))]
)
@in_virtual_time
async def test_an_end_of_ours_is_judged_too(end: str, verdict: tuple[int, ...]) -> None:
    async with Lab(objectives=[OBJECTIVE], polling=[{"timeout": "1h"}]) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(3_600)
        if end == "timeout":
            lab.answer("m1", "teleported")
        elif end == "not_found":
            lab.not_found("m1")
        else:
            lab.advance(DAY + 1)
        await lab.settle()
        assert lab.shown("messages_finished", outcome=end) == 1
        assert judged(lab) == verdict


@in_virtual_time
async def test_an_objective_is_for_its_channels_and_one_of_none_is_for_all() -> None:
    both = [{**OBJECTIVE, "name": "all"}, {**OBJECTIVE, "name": "otp", "channels": ["viber_otp"]}]
    async with Lab(objectives=both) as lab:
        await lab.offer("m1", channel="sms")
        await lab.offer("m2", channel="viber_otp")
        lab.answer("m1", "delivered")
        lab.answer("m2", "undeliverable")
        await lab.settle()
        assert (judged(lab, "all"), judged(lab, "otp")) == ((2, 1, 0), (1, 1, 0))
        assert lab.shown("smsbat_objective_target_ratio", objective="otp") == 0.95
        assert lab.shown("objective_messages", objective="otp", channel="sms") is None

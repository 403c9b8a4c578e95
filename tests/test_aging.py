"""What time alone does: messages grow old, mature, and are given up, in one process or across restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aging import AGES
from tests.lab import Lab
from tests.virtual_time import DAY, START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

LONG = [{"timeout": "20d", "mature": "5m"}]


def older(lab: Lab) -> tuple[float | None, ...]:
    return tuple(lab.shown("smsbat_messages_in_flight_older_than", age=age) for age, _ in AGES)


@in_virtual_time
async def test_messages_are_counted_under_every_age_they_have_passed(tmp_path: Path) -> None:
    async with Lab(tmp_path, polling=LONG, channels=["sms"]) as lab:
        assert older(lab) == (0, 0, 0, 0, 0)
        await lab.offer("m1", channel="sms")
        await lab.offer("m2", channel="sms", sent_at=START - 3_600)
        assert older(lab) == (1, 1, 1, 0, 0)
        for age, expected in ((61, (2, 1, 1, 0, 0)), (302, (2, 2, 1, 0, 0)), (6 * 3_600 + 1, (2, 2, 2, 2, 0))):
            lab.advance(START + age - lab.clock.at)
            assert older(lab) == expected
            await lab.restart()
            assert older(lab) == expected
        lab.answer("m2", "delivered")
        await lab.settle()
        assert older(lab) == (1, 1, 1, 1, 0)
        lab.advance(DAY)
        assert older(lab) == (1, 1, 1, 1, 1)
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        assert older(lab) == (0, 0, 0, 0, 0)
        await lab.restart()
        assert older(lab) == (0, 0, 0, 0, 0)


@given(
    sent=st.lists(st.floats(-2 * DAY, 2 * DAY), min_size=1, max_size=12),
    steps=st.lists(st.floats(0, DAY), max_size=8),
    ends=st.lists(st.integers(0, 11), max_size=8),
)
def test_the_counts_by_age_are_those_of_a_count_by_hand(sent: list[float], steps: list[float], ends: list[int]) -> None:
    @in_virtual_time
    async def run() -> None:
        async with Lab(polling=LONG) as lab:
            for number, ahead in enumerate(sent):
                await lab.offer(f"m{number}", channel="sms", sent_at=START + ahead)
            for step, end in zip(steps, [*ends, *range(8)], strict=False):
                lab.advance(step)
                if lab.core.in_flight.find("main", f"m{end}") is not None:
                    lab.answer(f"m{end}", "delivered")
                    await lab.settle()
                left = [lab.core.in_flight.columns.sent_at[slot] for slot in lab.core.in_flight.slots()]
                # A birthday is noticed within the second after it.
                for slack, compare in ((0.0, float.__ge__), (1.0, float.__le__)):
                    counts = [sum(lab.clock.at - at >= age + slack for at in left) for _, age in AGES]
                    shown = [float(value or 0) for value in older(lab)]
                    assert all(compare(float(by_hand), value) for by_hand, value in zip(counts, shown, strict=True))

    run()


def matured(lab: Lab) -> dict[str, float]:
    results = ("delivered", "failed", "pending", "unknown")
    return {result: value for result in results if (value := lab.shown("messages_matured", result=result))}


@pytest.mark.parametrize(
    ("answers", "result"),
    [
        ([], "unknown"),
        ([(10, "processing")], "unknown"),
        ([(290, "processing")], "pending"),
        ([(290, "teleported")], "pending"),
        ([(290, "scheduled"), (295, 404)], "unknown"),
        ([(290, "scheduled"), (295, 503)], "pending"),
        ([(290, 404)], "unknown"),
        ([(10, "delivered")], "delivered"),
        ([(10, "undeliverable")], "failed"),
        ([(10, "permanenterror")], "failed"),
    ],
)
@pytest.mark.parametrize("restarts", [False, True])
@in_virtual_time
async def test_a_message_matures_once_as_what_is_known_of_it(
    tmp_path: Path, answers: list[tuple[float, str | int]], result: str, *, restarts: bool
) -> None:
    async with Lab(tmp_path, polling=[{"max_interval": "60s", "mature": "5m"}]) as lab:
        await lab.offer("m1", channel="sms")
        for age, answer in answers:
            lab.advance(START + age - lab.clock.at)
            if answer == 404:
                lab.not_found("m1")
            elif isinstance(answer, int):
                lab.fail("m1", answer)
            else:
                lab.answer("m1", answer)
            await lab.settle()
        if restarts:
            await lab.restart()
        lab.advance(START + 301 - lab.clock.at)
        await lab.settle()
        assert matured(lab) == {result: 1}
        if restarts:
            await lab.restart()
        lab.advance(301)
        await lab.settle()
        if lab.core.in_flight.find("main", "m1") is not None:
            lab.answer("m1", "delivered")
            await lab.settle()
        assert matured(lab) == {result: 1}


@in_virtual_time
async def test_a_young_answer_is_one_younger_than_the_gap_of_its_age(tmp_path: Path) -> None:
    async with Lab(tmp_path, polling=[{"mature": "1h", "timeout": "3d"}]) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(2_500)
        lab.answer("m1", "processing")  # its next poll is due 1255 s later
        lab.advance(-1_000)
        lab.answer("m2", "processing")  # and that of this one 755 s later
        lab.advance(START + 3_601 - lab.clock.at)
        await lab.settle()
        assert matured(lab) == {"pending": 1, "unknown": 1}


@in_virtual_time
async def test_a_message_that_is_abandoned_does_not_mature() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        lab.advance(DAY)
        await lab.settle()
        assert matured(lab) == {}
        assert lab.shown("messages_abandoned") == 1
        assert lab.shown("messages_finished") is None


@in_virtual_time
async def test_a_message_that_ends_before_its_mature_age_matures_then() -> None:
    async with Lab(polling=[{"timeout": "1m", "mature": "5m"}]) as lab:
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(60)
        lab.answer("m1", "processing")
        lab.not_found("m2")
        await lab.settle()
        assert matured(lab) == {"pending": 1, "unknown": 1}


@in_virtual_time
async def test_nobody_is_given_up_before_a_day_past_the_deadline_and_everybody_then(tmp_path: Path) -> None:
    async with Lab(tmp_path, polling=[{"timeout": "1h"}]) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(3_600 + DAY - 1)
        assert lab.core.in_flight.find("main", "m1") is not None
        lab.advance(2)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="unobserved", fallback="unknown") == 1
        assert lab.shown("smsbat_messages_in_flight") == 0


@in_virtual_time
async def test_after_a_long_downtime_a_message_is_asked_before_it_is_given_up(tmp_path: Path) -> None:
    async with Lab(tmp_path, polling=[{"timeout": "1h"}]) as lab:
        await lab.offer("m1", "m2", channel="sms")
        await lab.kill()
        lab.clock.at += 10 * DAY
        await lab.start()
        lab.advance(1)
        assert lab.core.desks["main"].queue.backlog(lab.clock.at) == 2
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("messages_finished", outcome="delivered") == 1
        lab.advance(601)
        assert lab.core.in_flight.find("main", "m2") is not None, "the account is understood: m2 will be asked"
        lab.advance(601)
        await lab.settle()
        assert lab.shown("messages_finished", outcome="unobserved") == 1


@in_virtual_time
async def test_failing_calls_a_day_past_the_deadline_end_a_message_and_sooner_ones_do_not() -> None:
    async with Lab(polling=[{"timeout": "1h"}]) as lab:
        await lab.offer("m1", channel="sms")
        for at, ended in ((3_600, None), (3_599 + DAY, None), (3_600 + DAY, 1)):
            lab.clock.at = START + at
            for _ in range(10):
                if lab.core.in_flight.find("main", "m1") is not None:
                    lab.fail("m1", None)
                    await lab.settle()
            assert lab.shown("messages_finished", outcome="unobserved") == ended


@in_virtual_time
async def test_a_slot_that_is_used_again_ages_from_the_start() -> None:
    async with Lab(polling=LONG, channels=["sms"]) as lab:
        await lab.offer("m1", channel="sms")
        lab.advance(30)
        lab.answer("m1", "delivered")
        await lab.settle()
        await lab.offer("m2", channel="sms")
        lab.advance(35)
        assert older(lab) == (0, 0, 0, 0, 0)
        lab.advance(26)
        assert older(lab) == (1, 0, 0, 0, 0)

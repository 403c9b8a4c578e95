from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exporter import settings
from exporter.config import Config
from exporter.knowledge import Bounds
from exporter.store import FinishedRow
from exporter.track.alone import configured, look_for_trouble, stored_ends
from exporter.track.problems import UsageError
from exporter.track.report import of_finished, of_message
from tests.lab import Lab, account, config
from tests.virtual_time import in_virtual_time

OTP = {
    "channels": ["viber_otp"],
    "first": "2.5s",
    "interval": "3s",
    "backoff": 2,
    "max_interval": "1h",
    "timeout": "1m",
}
REST = {"first": "5s", "interval": "7s"}


def of_a_wait(name: str | None = None, seconds: float = 120.0, **given: Any) -> Config:  # noqa: ANN401
    return configured(config(polling=[OTP, REST], **given), name, 3, seconds)


def test_a_wait_polls_every_interval_from_the_first_second_on() -> None:
    otp, rest = (rule.pace for rule in settings.polling_rules(of_a_wait()))
    assert (otp.first, otp.interval, otp.backoff, otp.max_interval) == (1.0, 3.0, 1.0, 3.0)
    assert (rest.first, rest.interval, rest.backoff, rest.max_interval) == (1.0, 7.0, 1.0, 7.0)


@pytest.mark.parametrize(("seconds", "last_at"), [(120.0, 119.0), (2.0, 1.0), (1.0, 0.5)])
def test_the_one_edge_is_just_before_the_wait_is_over(seconds: float, last_at: float) -> None:
    for rule in settings.polling_rules(of_a_wait(seconds=seconds)):
        assert rule.pace.edges == (last_at,)


def test_no_message_times_out_before_the_wait_is_over() -> None:
    otp, rest = (rule.pace for rule in settings.polling_rules(of_a_wait(seconds=600.0)))
    assert (otp.timeout, rest.timeout) == (600.0, 72 * 3600.0)


def test_nothing_of_a_wait_is_kept_and_nothing_else_is_done(tmp_path: Path) -> None:
    wait = of_a_wait(
        store={"path": str(tmp_path / "state.db")},
        messages=[{"id": "listed"}],
        objectives=[{"name": "fast", "within": "10s", "target": 0.9}],
        status_aliases={"done": "delivered"},
        tracing={"enabled": True},
    )
    assert wait.store.type == "memory"
    assert (wait.messages, wait.objectives, wait.tracing.enabled) == ((), (), False)
    assert wait.intake.max_in_flight == 3
    assert wait.status_aliases == {"done": "delivered"}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "chosen"), [(None, "main"), ("second", "second")])
def test_a_wait_is_for_one_account(name: str | None, chosen: str) -> None:
    wait = of_a_wait(name, accounts=[account(), account("second")])
    assert [each.name for each in wait.accounts] == [chosen]


def test_an_account_that_is_not_configured_is_refused() -> None:
    with pytest.raises(UsageError, match="there are: main, second"):
        of_a_wait("third", accounts=[account(), account("second")])


async def test_ends_come_once_they_are_stored_and_not_before() -> None:
    async with Lab() as lab:
        await lab.offer("a", "b", "c")
        rows = stored_ends(lab.core.committer)
        lab.store.open.clear()
        lab.answer("b", "delivered")
        lab.store.entered.clear()
        await lab.until(lab.store.entered.is_set)
        assert rows.empty()
        lab.store.open.set()
        assert (await rows.get()).id == "b"
        lab.answer("a", "processing")
        lab.answer("c", "undeliverable")
        await lab.settle()
        assert rows.get_nowait().id == "c"
        assert rows.empty()
        lab.answer("a", "delivered")
        await lab.settle()
        assert rows.get_nowait().id == "a"


async def test_an_end_in_the_group_of_its_acceptance_comes_too() -> None:
    async with Lab() as lab:
        rows = stored_ends(lab.core.committer)
        offering = lab.background(lab.offer("a"))
        await lab.until(lambda: lab.core.in_flight.find("main", "a") is not None, every=0.0)
        lab.core.tracker.abandon(lab.slot("a"))
        await offering
        await lab.settle()
        assert rows.get_nowait().id == "a"


@in_virtual_time
async def test_each_trouble_is_told_once_within_a_second_or_at_the_end() -> None:
    async with Lab() as lab:
        told: list[str] = []
        await lab.offer("a", "b")
        looking = lab.background(look_for_trouble(lab.core, told.append))
        lab.fail("a", 401)
        lab.fail("b", 401)
        await lab.wait(2.5)
        assert told == ["account main: SMSBat refuses the credentials (401 or 403); one careful call at a time"]
        lab.fail("a", 503)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert told[1:] == ["account main: SMSBat answers with errors (5xx)"]


async def report_after(lab: Lab, *answers: tuple[float, str], **more: Any) -> FinishedRow:  # noqa: ANN401
    await lab.offer("a", channel="viber_otp")
    for seconds, status in answers:
        lab.advance(seconds)
        lab.answer("a", status, **more)
    await lab.settle()
    row = lab.store.finished("main", "a")
    assert row is not None
    return row


async def test_a_delivery_that_was_waited_for_has_both_bounds() -> None:
    async with Lab() as lab:
        channels: dict[str, Any] = {"extendedStatuses": {"viber": "undeliverable", "sms": "delivered"}}
        row = await report_after(lab, (1.0, "processing"), (3.0, "delivered"), cost=0.050, partscount=2, **channels)
    report = of_finished(row)
    assert report.time_to_delivery == Bounds(1.0, 4.0)
    assert (report.outcome, report.final, report.delivered, report.polls) == ("delivered", True, True, 2)
    assert (report.cost, report.currency, report.parts_count) == (Decimal("0.05"), "USD", 2)
    assert (report.fallback_used, report.via, report.channel) == (True, "sms", "viber_otp")
    assert report.sent_at == "2027-01-15T08:00:00.000Z"
    assert report.finished_at == "2027-01-15T08:00:04.000Z"


async def test_a_delivery_before_the_first_answer_has_no_time() -> None:
    async with Lab() as lab:
        report = of_finished(await report_after(lab, (1.0, "delivered")))
    assert (report.delivered, report.time_to_delivery) == (True, None)
    assert (report.cost, report.currency) == (None, None)


async def test_a_failure_has_no_time_to_delivery_and_no_way_of_it() -> None:
    async with Lab() as lab:
        report = of_finished(await report_after(lab, (1.0, "processing"), (1.0, "undeliverable"), cost=0.00))
    assert (report.outcome, report.delivered, report.time_to_delivery, report.via) == (
        "undeliverable",
        False,
        None,
        None,
    )
    assert report.cost == Decimal("0.00")


@pytest.mark.parametrize(
    ("fallbacks", "used"), [([], False), ([{"type": "sms", "status": "not_used"}], False), ([{"type": "sms"}], False)]
)
async def test_a_fallback_that_was_not_gone_is_not_used(fallbacks: Sequence[object], used: bool) -> None:  # noqa: FBT001
    async with Lab() as lab:
        row = await report_after(lab, (1.0, "delivered"), fallbacks=fallbacks)
    assert of_finished(row).fallback_used is used


async def test_what_is_abandoned_has_ended_and_its_fallback_is_not_known() -> None:
    async with Lab() as lab:
        await lab.offer("a")
        lab.core.tracker.abandon(lab.slot("a"))
        await lab.settle()
        row = lab.store.finished("main", "a")
    assert row is not None
    report = of_finished(row)
    assert (report.outcome, report.final, report.fallback_used, report.cost) == ("abandoned", True, None, None)


async def test_a_message_in_flight_is_described_as_it_stands() -> None:
    async with Lab() as lab:
        await lab.offer("a")
        lab.answer("a", "processing")
        report = of_message(lab.core.in_flight.get(lab.slot("a")))
        assert (report.status, report.final, report.outcome, report.polls) == ("processing", False, None, 1)
        lab.answer("a", "delivered")
        unstored = of_message(lab.core.in_flight.get(lab.slot("a")))
    assert (unstored.status, unstored.final) == ("processing", False)
    assert (report.sent_at, report.accepted_at) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:00.000Z")

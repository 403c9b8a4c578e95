"""The messages that the configuration lists: tracked while listed, dropped after, and never counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import Lab, account
from tests.virtual_time import DAY, START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

M1: dict[str, object] = {"id": "m1", "channel": "sms"}
M2: dict[str, object] = {"id": "m2", "channel": "sms"}
HOWS = pytest.mark.parametrize("how", ["reload", "restart"])


async def listing(lab: Lab, how: str, *messages: dict[str, object]) -> None:
    """List these messages and no others."""
    await lab.become(how, messages=messages)
    await lab.follow_listed()
    await lab.settle()


async def forget(lab: Lab) -> None:
    """Forget what is older than the default retention, as the exporter does once a minute."""
    await lab.core.writer.call(lambda store: store.forget(lab.clock.at - DAY, 1_000))


def counts(lab: Lab) -> tuple[float, ...]:
    names = ("messages_accepted", "messages_finished", "messages_abandoned", "smsbat_messages_in_flight")
    return tuple(lab.shown(name) or 0 for name in names)


@HOWS
@in_virtual_time
async def test_a_listed_message_is_tracked_and_reading_the_list_again_counts_nothing(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await listing(lab, "reload", {**M1, "sent_at": START - 60, "ttl": 300.0}, M2)
        slot = lab.slot("m1")
        assert lab.core.in_flight.columns.sent_at[slot] == START - 60
        assert lab.core.in_flight.columns.ttl[slot] == 300
        for _ in range(3):
            await listing(lab, how, M1, M2)
        assert counts(lab) == (2, 0, 0, 2)
        intake = {
            result: lab.shown("exporter_intake", source="config", result=result)
            for result in ("accepted", "duplicate", "rejected")
        }
        assert intake == {"accepted": 2, "duplicate": 0, "rejected": 0}


@HOWS
@in_virtual_time
async def test_a_message_that_is_added_is_tracked_and_one_that_is_removed_is_abandoned(
    tmp_path: Path, how: str
) -> None:
    async with Lab(tmp_path) as lab:
        await listing(lab, how, M1)
        await listing(lab, how, M2)
        assert counts(lab) == (2, 0, 1, 1)
        assert lab.core.in_flight.find("main", "m1") is None
        await listing(lab, how, M1, M2)
        assert counts(lab) == (2, 0, 1, 1), "within the retention it is remembered"


@HOWS
@in_virtual_time
async def test_messages_from_elsewhere_are_not_abandoned_for_want_of_a_listing(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m3", channel="sms")
        await listing(lab, how, M1)
        await listing(lab, how)
        assert counts(lab) == (2, 0, 1, 1)


@HOWS
@in_virtual_time
async def test_an_ended_message_is_remembered_as_long_as_it_is_listed(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await listing(lab, how, M1, M2)
        lab.answer("m1", "delivered")
        lab.answer("m2", "delivered")
        await lab.offer("m3", channel="sms")
        lab.answer("m3", "delivered")
        await lab.settle()
        lab.advance(10 * DAY)
        await forget(lab)
        await listing(lab, how, M1, M2)
        assert counts(lab) == (3, 3, 0, 0)
        assert (await lab.offer("m3", channel="sms")).accepted == 1, "what is not listed is forgotten"
        await listing(lab, how, M2)
        lab.advance(2 * DAY)
        await forget(lab)
        await listing(lab, how, M1, M2)
        assert counts(lab)[0] == 5, "off the list it was forgotten, and counts again"


@HOWS
@in_virtual_time
async def test_an_abandoned_message_off_the_list_is_forgotten_after_the_retention(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await listing(lab, how, M1)
        await listing(lab, how)
        lab.advance(DAY + 60)
        await forget(lab)
        await listing(lab, how, M1)
        assert counts(lab) == (2, 0, 1, 1)


@HOWS
@in_virtual_time
async def test_a_message_that_is_listed_while_in_flight_is_remembered_as_long_too(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms")
        await listing(lab, how, M1)
        lab.answer("m1", "delivered")
        await lab.settle()
        lab.advance(2 * DAY)
        await forget(lab)
        await listing(lab, how, M1)
        assert counts(lab) == (1, 1, 0, 0)


@HOWS
@in_virtual_time
async def test_a_listed_message_that_is_known_is_not_refused_for_its_old_send_time(tmp_path: Path, how: str) -> None:
    async with Lab(tmp_path) as lab:
        old = {**M1, "sent_at": START - 29 * DAY}
        await listing(lab, how, old)
        lab.answer("m1", "delivered")
        await lab.settle()
        lab.advance(5 * DAY)
        await listing(lab, how, old)
        assert lab.shown("exporter_intake", source="config", result="rejected") == 0
        assert counts(lab) == (1, 1, 0, 0)


@in_virtual_time
async def test_a_listed_message_too_old_to_track_is_rejected(caplog: pytest.LogCaptureFixture) -> None:
    async with Lab() as lab:
        await listing(lab, "reload", M1, {**M2, "sent_at": START - 31 * DAY})
        assert counts(lab) == (1, 0, 0, 1)
        assert lab.shown("exporter_intake", source="config", result="rejected") == 1
        assert "a listed message is refused" in caplog.text
        assert "m2" not in caplog.text


@in_virtual_time
async def test_listed_messages_that_do_not_fit_are_left_out_loudly(caplog: pytest.LogCaptureFixture) -> None:
    async with Lab(intake={"max_in_flight": 1}) as lab:
        await listing(lab, "reload", M1, M2)
        assert counts(lab) == (0, 0, 0, 0)
        assert "do not fit" in caplog.text


@HOWS
@in_virtual_time
async def test_a_lower_limit_does_not_trouble_the_listed_messages_that_are_in_flight(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with Lab(tmp_path) as lab:
        await listing(lab, how, M1, M2)
        await lab.become(how, intake={"max_in_flight": 1})
        await lab.follow_listed()
        assert counts(lab) == (2, 0, 0, 2)
        assert "do not fit" not in caplog.text


@in_virtual_time
async def test_a_listed_message_names_its_account_or_is_of_the_first() -> None:
    async with Lab(accounts=[account("one"), account("two")]) as lab:
        await listing(lab, "reload", M1, {**M1, "account": "two"})
        assert lab.shown("smsbat_messages_in_flight", account="one") == 1
        assert lab.shown("smsbat_messages_in_flight", account="two") == 1


@in_virtual_time
async def test_the_children_of_a_listed_channel_exist_at_0_from_the_start() -> None:
    async with Lab(messages=[M1]) as lab:
        assert lab.shown("messages_finished", channel="sms", outcome="delivered", fallback="used") == 0

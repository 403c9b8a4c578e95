"""Which messages are taken in, which are known already, and which are refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from exporter.admission import Admitted, FullError, Offer
from exporter.store import StoreError
from tests.lab import Lab, account
from tests.virtual_time import DAY, START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path


@in_virtual_time
async def test_a_message_is_accepted_once_while_it_is_in_flight() -> None:
    async with Lab() as lab:
        first = await lab.offer("m1")
        second = await lab.offer("m1")
        assert (first.accepted, first.duplicates) == (1, ())
        assert (second.accepted, second.duplicates) == (0, (0,))
        assert lab.shown("messages_accepted") == 1
        assert lab.shown("exporter_intake", source="api", result="accepted") == 1
        assert lab.shown("exporter_intake", source="api", result="duplicate") == 1


@in_virtual_time
async def test_a_message_that_ended_is_not_accepted_again_also_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1")
        lab.answer("m1", "delivered")
        assert (await lab.offer("m1")).duplicates == (0,)
        await lab.settle()
        assert (await lab.offer("m1")).duplicates == (0,)
        await lab.restart()
        assert (await lab.offer("m1")).duplicates == (0,)
        assert lab.shown("messages_accepted") == 1


@in_virtual_time
async def test_a_message_in_flight_is_known_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1")
        await lab.restart()
        assert (await lab.offer("m1")).duplicates == (0,)
        assert len(lab.core.in_flight) == 1


@in_virtual_time
async def test_a_message_may_be_accepted_anew_once_it_is_forgotten() -> None:
    async with Lab() as lab:
        await lab.offer("m1")
        lab.answer("m1", "delivered")
        await lab.settle()
        assert await lab.core.writer.call(lambda store: store.forget(lab.clock.at + 1, 10)) == 1
        assert (await lab.offer("m1")).accepted == 1


@in_virtual_time
async def test_the_same_id_in_two_accounts_is_two_messages(tmp_path: Path) -> None:
    async with Lab(tmp_path, accounts=[account("main"), account("other")]) as lab:
        await lab.offer("m1", account="main")
        assert (await lab.offer("m1", account="other")).accepted == 1
        lab.answer("m1", "delivered", account="other")
        await lab.settle()
        await lab.restart()
        assert lab.shown("messages_finished", account="other") == 1
        assert lab.shown("messages_in_flight", account="main") == 1


@in_virtual_time
async def test_an_id_given_twice_at_once_is_accepted_once_and_a_duplicate_once() -> None:
    async with Lab(intake={"max_in_flight": 1}) as lab:
        admitted = await lab.offer("m1", "m1")
        assert (admitted.accepted, admitted.duplicates) == (1, (1,))


@pytest.mark.parametrize("message_id", ["", ".a", ":a", "a/b", "..", "a b", "ä", "a\n", "a" * 129, "a%2e"])
@in_virtual_time
async def test_an_id_that_could_change_the_url_is_refused(message_id: str) -> None:
    async with Lab() as lab:
        admitted = await lab.offer(message_id)
        assert [place for place, _ in admitted.rejected] == [0]
        assert len(lab.core.in_flight) == 0
        assert lab.shown("exporter_intake", result="rejected") == 1


@pytest.mark.parametrize("message_id", ["a", "-", "_", "0123456789ab.c:d-e_f", "a" * 128])
@in_virtual_time
async def test_an_id_of_the_contracts_letters_is_taken(message_id: str) -> None:
    async with Lab() as lab:
        assert (await lab.offer(message_id)).accepted == 1


@in_virtual_time
async def test_the_refusals_name_their_places_and_the_rest_is_taken() -> None:
    async with Lab() as lab:
        offers = [
            Offer(id="m1", account="nobody"),
            Offer(id="m2", account="main"),
            Offer(id="m3", account="main", ttl=0.0),
            Offer(id="m4", account="main", ttl=31 * DAY),
        ]
        admitted = await lab.core.admission.offer(offers, "api")
        assert admitted.accepted == 1
        assert [place for place, _ in admitted.rejected] == [0, 2, 3]
        assert not any("m1" in why or "nobody" in why for _, why in admitted.rejected)


@pytest.mark.parametrize(("ahead", "taken"), [(-30 * DAY, 1), (-30 * DAY - 1, 0), (30 * DAY, 1), (30 * DAY + 1, 0)])
@in_virtual_time
async def test_a_send_time_over_30_days_away_is_refused(ahead: float, taken: int) -> None:
    async with Lab() as lab:
        admitted = await lab.offer("m1", sent_at=START + ahead)
        assert (admitted.accepted, len(admitted.rejected)) == (taken, 1 - taken)


@pytest.mark.parametrize(
    ("given", "taken_as", "skewed"),
    [(None, 0.0, 0), (-7.0, -7.0, 0), (0.0, 0.0, 0), (0.5, 0.0, 1), (5.0, 0.0, 1), (5.1, 5.1, 0)],
)
@in_virtual_time
async def test_a_send_time_up_to_5_s_ahead_is_clock_skew(given: float | None, taken_as: float, skewed: int) -> None:
    async with Lab() as lab:
        await lab.offer("m1", sent_at=None if given is None else START + given)
        assert lab.core.in_flight.columns.sent_at[lab.slot("m1")] == START + taken_as
        assert lab.shown("exporter_anomalies", kind="future_send_time") == skewed


@in_virtual_time
async def test_nothing_of_a_request_is_taken_when_it_does_not_fit() -> None:
    async with Lab(intake={"max_in_flight": 2}) as lab:
        await lab.offer("m1")
        with pytest.raises(FullError):
            await lab.offer("m2", "m3")
        assert len(lab.core.in_flight) == 1
        assert lab.shown("messages_accepted") == 1
        assert (await lab.offer("m2", "m1")).accepted == 1
        with pytest.raises(FullError):
            await lab.offer("m3")
        lab.answer("m1", "delivered")
        await lab.settle()
        assert (await lab.offer("m3")).accepted == 1


@in_virtual_time
async def test_max_in_flight_holds_across_a_restart_and_a_lower_one_drops_nobody(tmp_path: Path) -> None:
    async with Lab(tmp_path, intake={"max_in_flight": 2}) as lab:
        await lab.offer("m1", "m2")
        await lab.restart(intake={"max_in_flight": 1})
        assert lab.shown("exporter_max_in_flight") == 1
        assert lab.shown("messages_in_flight") == 2
        assert (await lab.offer("m1", "m2")).duplicates == (0, 1)
        with pytest.raises(FullError):
            await lab.offer("m3")
        lab.reload(intake={"max_in_flight": 3})
        assert (await lab.offer("m3")).accepted == 1


@in_virtual_time
async def test_an_unlisted_duplicate_is_quiet_when_its_source_says_so() -> None:
    async with Lab() as lab:
        offers = [Offer(id="m1", account="main"), Offer(id="m1", account="main")]
        admitted = await lab.core.admission.offer(offers, "config", quiet=lambda _: True)
        assert admitted.duplicates == (1,)
        assert lab.shown("exporter_intake", source="config", result="duplicate") == 0


@in_virtual_time
async def test_a_message_that_tells_no_channel_is_of_the_unknown_one() -> None:
    async with Lab() as lab:
        await lab.offer("m1")
        await lab.offer("m2", channel="")
        await lab.offer("m3", channel=" SMS ")
        await lab.offer("m4", channel="pigeon")
        counts = {
            channel: lab.shown("messages_accepted", channel=channel)
            for channel in ("unknown", "sms", "other", "pigeon")
        }
        assert counts == {"unknown": 2, "sms": 1, "other": 1, "pigeon": None}


@in_virtual_time
async def test_calls_at_the_same_time_are_let_in_together_and_each_gets_its_own_answer() -> None:
    async with Lab() as lab:
        await lab.offer("m0")
        before = len(lab.store.batches)
        answers = await asyncio.gather(
            lab.offer("m1", "m2"), lab.offer("m0"), lab.offer("m 3", "m4"), lab.offer("m2", "m5", source="file")
        )
        assert [(each.accepted, each.duplicates) for each in answers] == [(2, ()), (0, (0,)), (1, ()), (1, (0,))]
        assert [len(each.rejected) for each in answers] == [0, 0, 1, 0]
        assert len(lab.store.batches) == before + 1
        results = ("accepted", "duplicate", "rejected")
        counts = [lab.shown("exporter_intake", source="api", result=result) for result in results]
        assert counts == [1 + 2 + 1, 1, 1]
        assert lab.shown("exporter_intake", source="file", result="duplicate") == 1


@in_virtual_time
async def test_of_calls_at_the_same_time_those_are_refused_that_do_not_fit() -> None:
    async with Lab(intake={"max_in_flight": 3}) as lab:
        fits, does_not, fits_too = await asyncio.gather(
            lab.offer("m1", "m2"), lab.offer("m3", "m4"), lab.offer("m5"), return_exceptions=True
        )
        assert isinstance(does_not, FullError)
        assert [each.accepted for each in (fits, fits_too) if isinstance(each, Admitted)] == [2, 1]
        assert {lab.core.in_flight.columns.ids[slot] for slot in lab.core.in_flight.slots()} == {"m1", "m2", "m5"}


@in_virtual_time
async def test_all_calls_at_the_same_time_hear_that_the_store_cannot_be_read_and_the_next_one_is_let_in() -> None:
    async with Lab() as lab:
        lab.store.fails_reading = True
        answers = await asyncio.gather(lab.offer("m1"), lab.offer("m2"), return_exceptions=True)
        assert [type(each) for each in answers] == [StoreError, StoreError]
        assert len(lab.core.in_flight) == 0
        lab.store.fails_reading = False
        assert (await lab.offer("m1")).accepted == 1


@in_virtual_time
async def test_nothing_is_taken_of_a_call_that_is_given_up_while_the_store_is_asked() -> None:
    async with Lab() as lab:
        given_up, other = lab.background(lab.offer("m1")), lab.background(lab.offer("m2"))
        await asyncio.sleep(0)
        given_up.cancel()
        assert (await other).accepted == 1
        assert given_up.cancelled()
        assert lab.core.in_flight.find("main", "m1") is None


@in_virtual_time
async def test_a_call_that_comes_while_the_store_is_busy_waits_for_its_own_commit() -> None:
    async with Lab() as lab:
        lab.store.open.clear()
        first = lab.background(lab.offer("m1"))
        await lab.until(lambda: bool(lab.core.in_flight.find("main", "m1") is not None))
        second = lab.background(lab.offer("m2"))
        await lab.turn()
        assert not first.done()
        assert not second.done()
        lab.store.open.set()
        assert [(await each).accepted for each in (first, second)] == [1, 1]

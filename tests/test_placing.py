"""Messages that are taken back by the hundred wait where each would wait, had it been taken in alone."""

from __future__ import annotations

import asyncio
import math
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import catalogue as metrics
from exporter.columns import FREE, UNPLACED, UNSTORED
from exporter.config import Config
from exporter.core import Core
from exporter.message import Message, Status
from exporter.records import in_flight_row
from exporter.restoring import load
from exporter.settings import layout
from exporter.store import Batch, InFlightRow
from exporter.store.memory import MemoryStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows
from tests.lab import Lab, config
from tests.virtual_time import in_virtual_time

NOW = 1_800_000_000.0
DAY = 86_400.0
ACCOUNT = {"name": "main", "auth": {"method": "header", "api_key": "made-up"}}
OTP = {"channels": ["viber_otp"], "max_interval": "10s", "timeout": "2m", "mature": "1m"}

ages = st.floats(0.0, 100.0) | st.floats(0.0, 5 * DAY)
messages = st.builds(
    lambda sent, polled, **rest: Message(
        sent_at=NOW - sent,
        accepted_at=NOW - sent,
        answered_at=0.0 if polled is None else NOW - sent * polled,
        other_at=0.0 if polled is None else NOW - sent * polled,
        id="",
        **rest,
    ),
    ages | st.floats(-DAY, 0.0),
    st.none() | st.floats(0.0, 1.0),
    account=st.sampled_from(["main", "main", "gone"]),
    channel=st.sampled_from(["sms", "viber_otp"]),
    labels=st.sampled_from([(), (("campaign", "spring"),)]),
    ttl=st.just(math.inf) | st.floats(1.0, DAY),
    traceparent=st.none() | st.just("00-trace"),
    listed=st.booleans(),
    matured=st.booleans(),
    status=st.sampled_from([Status.ACCEPTED, Status.PROCESSING]),
)


class Still:
    def now(self) -> float:
        return NOW


def core(rows: list[InFlightRow]) -> Core:
    config = Config.model_validate({"accounts": [ACCOUNT], "polling": [OTP, {}]})
    store = MemoryStore()
    store.commit(Batch(accepted=rows))
    return Core(config, Still(), Writer(store), Totals(layout(config), []), Windows(3_600.0, []))


def one_by_one(all_: list[Message]) -> Core:
    alone = core([])
    for seq, message in enumerate(all_, start=1):
        slot = alone.in_flight.add([message], seq)[0]
        alone.in_flight.put(slot, message)
        alone.in_flight.columns.polled_at[slot] = max(message.answered_at, message.other_at)
        alone.in_flight.columns.due_at[slot] = FREE
        alone.tracker.aging.enter(slot, NOW)
        alone.plan.enter(slot, NOW)
    return alone


async def taken_back(all_: list[Message]) -> Core:
    together = core([in_flight_row(message, seq) for seq, message in enumerate(all_, start=1)])
    await load(together)
    while together.placing.step(NOW):
        assert len(together.in_flight) == len(all_)
    await together.writer.close()
    return together


def columns(one: Core, slot: int) -> dict[str, object]:
    kept = {name: column for name, column in vars(one.in_flight.columns).items() if not name.startswith("_")}
    return {name: column[slot] for name, column in kept.items() if name != "cohort"}


def named(drawn: list[Message]) -> list[Message]:
    return [msgspec.structs.replace(message, id=f"m{number}") for number, message in enumerate(drawn)]


@given(st.lists(messages, max_size=20))
def test_many_at_once_are_where_each_would_be_alone(drawn: list[Message]) -> None:
    all_ = named(drawn)
    alone, together = one_by_one(all_), asyncio.run(taken_back(all_))
    for message in all_:
        slots = [one.in_flight.find(message.account, message.id) for one in (alone, together)]
        assert None not in slots
        first, second = (columns(one, cast("int", slot)) for one, slot in zip((alone, together), slots, strict=True))
        assert first == second
        assert together.in_flight.get(cast("int", slots[1])) == message
    assert {key: count for key, count in together.tracker.aging.older.items() if any(count)} == {
        key: count for key, count in alone.tracker.aging.older.items() if any(count)
    }
    assert together.plan.parked == alone.plan.parked
    demands = [[lane.demand for lane in one.desks["main"].queue.lanes] for one in (alone, together)]
    assert demands[0] == demands[1]


@given(st.lists(messages, min_size=1, max_size=20))
def test_all_of_them_get_their_turns(drawn: list[Message]) -> None:
    all_ = named(drawn)
    together = asyncio.run(taken_back(all_))
    queue, turns = together.desks["main"].queue, []
    while (turn := queue.take(NOW + 10 * DAY, spare=True)) is not None:
        turns.append(together.in_flight.columns.ids[turn.slot])
    assert sorted(turns) == sorted(message.id for message in all_ if message.account == "main")


def sent(count: int, account: str = "main") -> list[Message]:
    shared = Message(id="", account=account, channel="sms", sent_at=NOW - 30.0, accepted_at=NOW - 30.0)
    return [msgspec.structs.replace(shared, id=f"m{number}") for number in range(count)]


async def loaded(all_: list[Message]) -> Core:
    one = core([in_flight_row(message, seq) for seq, message in enumerate(all_, start=1)])
    await load(one)
    return one


def placed(one: Core) -> list[str]:
    columns = one.in_flight.columns
    return [columns.ids[slot] for slot in sorted(one.in_flight.slots()) if columns.due_at[slot] != UNPLACED]


@in_virtual_time
async def test_all_are_counted_at_once_and_placed_the_newest_first() -> None:
    one = await loaded(sent(450))
    assert (len(one.in_flight), placed(one)) == (450, [])
    assert one.committer.gauges[metrics.IN_FLIGHT, ("main", "sms", "accepted")] == 450
    for first in (250, 50, 0):
        assert one.placing.step(NOW)
        assert placed(one) == [f"m{number}" for number in range(first, 450)]
    assert not one.placing.step(NOW)
    await one.writer.close()


@in_virtual_time
async def test_whoever_ends_before_it_is_placed_stays_ended_and_its_slot_is_not_mistaken() -> None:
    async with Lab() as lab:
        await lab.offer("m1", "m2", channel="sms")
        await lab.kill()
        await lab.start(place=False)
        core, old = lab.core, cast("int", lab.core.in_flight.find("main", "m2"))
        core.tracker.abandon(old)
        await lab.settle()
        lab.store.open.clear()
        offering = lab.background(lab.offer("m3", channel="sms"))
        await lab.until(lambda: core.in_flight.find("main", "m3") == old)
        lab.place()
        assert core.in_flight.columns.due_at[old] == UNSTORED, "an unstored message is not polled"
        lab.store.open.set()
        await offering
        assert sorted(core.in_flight.columns.ids) == ["m1", "m3"]
        assert core.in_flight.columns.due_at[old] > NOW
        assert core.desks["main"].queue.demand_per_second() == pytest.approx(2 / 2.5)


@in_virtual_time
async def test_a_reload_amid_the_placing_begins_anew_and_lets_others_work() -> None:
    async with Lab() as lab:
        await lab.offer(*(f"m{number}" for number in range(450)), channel="sms")
        core = lab.core
        running = lab.background(core.placing.run(core.clock))
        core.follow(config(polling=[{"interval": "10s", "first": "10s"}]))
        await lab.turn()
        assert 0 < len(placed(core)) < 450
        core.follow(config(polling=[{"interval": "20s", "first": "20s"}]))
        assert placed(core) == []
        await lab.until(lambda: len(placed(core)) == 450)
        assert core.desks["main"].queue.demand_per_second() == pytest.approx(450 / 20)
        running.cancel()


@in_virtual_time
async def test_thousands_that_come_at_once_are_placed_step_by_step_and_none_before_it_is_stored() -> None:
    async with Lab() as lab:
        lab.store.open.clear()
        offering = lab.background(lab.offer(*(f"m{number}" for number in range(1_000))))
        await lab.until(lambda: len(lab.core.in_flight) == 1_000)
        slots, due_at = list(lab.core.in_flight.slots()), lab.core.in_flight.columns.due_at
        lab.place()
        assert {due_at[slot] for slot in slots} == {UNSTORED}
        lab.store.open.set()
        assert (await offering).accepted == 1_000
        assert {due_at[slot] for slot in slots} == {UNPLACED}
        assert lab.core.placing.step(lab.clock.at)
        assert sum(due_at[slot] >= 0.0 for slot in slots) == 200
        lab.place()
        assert min(due_at[slot] for slot in slots) > lab.clock.at


@in_virtual_time
async def test_one_that_ends_before_it_has_its_place_gets_none() -> None:
    async with Lab() as lab:
        await lab.offer(*(f"m{number}" for number in range(1_000)), sent_at=lab.clock.at - 400)
        last = lab.slot("m999")
        lab.core.tracker.abandon(last)
        await lab.settle()
        lab.place()
        assert lab.core.in_flight.columns.due_at[last] == FREE
        assert lab.shown("messages_in_flight_older_than", age="5m") == 999


@in_virtual_time
async def test_a_slot_that_is_used_again_before_it_was_placed_counts_once_by_age() -> None:
    async with Lab() as lab:
        sent_at = lab.clock.at - 100
        await lab.offer(*[f"m{number}" for number in range(300)], channel="sms", sent_at=sent_at)
        slot = lab.slot("m5")
        lab.core.tracker.abandon(slot)
        await lab.settle()
        await lab.offer("new", channel="sms", sent_at=sent_at)
        assert lab.slot("new") == slot
        lab.core.placing.step(lab.clock.at)
        lab.reload()
        await lab.settle()
        assert lab.shown("messages_in_flight_older_than", age="1m") == 300

"""Messages that are taken back by the thousand are where they would be, had each been taken back alone."""

from __future__ import annotations

import math
from typing import cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Config
from exporter.core import Core
from exporter.in_flight import COLUMNS, FREE
from exporter.message import Message, Status
from exporter.records import Loading, in_flight_row
from exporter.settings import layout
from exporter.store.memory import MemoryStore
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows

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
    ttl=st.none() | st.floats(1.0, DAY),
    traceparent=st.none() | st.just("00-trace"),
    listed=st.booleans(),
    matured=st.booleans(),
    status=st.sampled_from([Status.ACCEPTED, Status.PROCESSING]),
)


class Still:
    def now(self) -> float:
        return NOW


def core() -> Core:
    config = Config.model_validate({"accounts": [ACCOUNT], "polling": [OTP, {}]})
    return Core(config, Still(), Writer(MemoryStore()), Totals(layout(config), []), Windows(3_600.0, []))


def one_by_one(all_: list[Message]) -> Core:
    alone = core()
    for seq, message in enumerate(all_, start=1):
        slot = alone.in_flight.add(message, seq)
        alone.in_flight.due_at[slot] = FREE
        alone.tracker.aging.enter(slot, NOW)
        alone.plan.enter(slot, NOW)
    return alone


def by_the_thousand(all_: list[Message]) -> Core:
    together = core()
    rows = [in_flight_row(message, seq) for seq, message in enumerate(all_, start=1)]
    for slots in Loading(together.in_flight).add(cast("list[tuple[object, ...]]", rows)):
        together.tracker.resume(slots, NOW)
    return together


def columns(one: Core, slot: int) -> dict[str, object]:
    values = {name: getattr(one.in_flight, name)[slot] for name in COLUMNS if name != "cohort"}
    if 0.0 <= values["due_at"] <= NOW:
        values["due_at"] = NOW  # in the order in which they were due, or in any: they are all late
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in values.items()}


@given(st.lists(messages, max_size=20))
def test_many_at_once_are_where_each_would_be_alone(drawn: list[Message]) -> None:
    all_ = [msgspec.structs.replace(message, id=f"m{number}") for number, message in enumerate(drawn)]
    alone, together = one_by_one(all_), by_the_thousand(all_)
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
    demands = [[lane.demand for lane in one.plan.desks["main"].queue.lanes] for one in (alone, together)]
    assert demands[0] == demands[1]


@given(st.lists(messages, min_size=1, max_size=20))
def test_all_of_them_get_their_turns(drawn: list[Message]) -> None:
    all_ = [msgspec.structs.replace(message, id=f"m{number}") for number, message in enumerate(drawn)]
    together = by_the_thousand(all_)
    queue, turns = together.plan.desks["main"].queue, []
    while (turn := queue.take(NOW + 10 * DAY, spare=True)) is not None:
        turns.append(together.in_flight.ids[turn.slot])
    assert sorted(turns) == sorted(message.id for message in all_ if message.account == "main")

"""Messages kept in columns come back as they were, whatever slots are freed and taken again."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from exporter.columns import ENDED, LISTED, MATURED
from exporter.in_flight import Cohort, Cohorts, InFlight
from exporter.message import Message, Status

times = st.floats(0.0, 4e9)
ids = st.from_regex(r"\A[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,9}\Z")
labels = st.lists(st.sampled_from(["", "spring", "autumn"]), max_size=2).map(
    lambda values: tuple(zip(("campaign", "team"), values, strict=False))
)
messages = st.builds(
    Message,
    id=ids,
    account=st.sampled_from(["main", "other"]),
    channel=st.sampled_from(["sms", "viber_otp", "unknown"]),
    labels=labels,
    sent_at=times,
    accepted_at=times,
    ttl=st.just(math.inf) | st.floats(0.0, 1e6),
    traceparent=st.none() | st.text(max_size=55),
    listed=st.booleans(),
    status=st.sampled_from(Status),
    seen=st.integers(0, 127),
    in_flight_at=times,
    answered_at=times,
    other_at=times,
    matured=st.booleans(),
    polls=st.integers(0, 2**32 - 1),
)
ANSWERED = {"in_flight_at": 20.0, "answered_at": 30.0, "other_at": 30.0}
MESSAGE = Message(id="m1", account="main", channel="sms", sent_at=10.0, accepted_at=11.0)


@given(messages, st.integers(0, 2**62))
def test_a_message_comes_back_as_it_was(message: Message, seq: int) -> None:
    in_flight = InFlight(Cohorts())
    slot = in_flight.add([message], seq)[0]
    in_flight.put(slot, message)
    assert in_flight.get(slot) == message
    assert in_flight.columns.seq[slot] == seq
    assert in_flight.find(message.account, message.id) == slot


@given(messages)
def test_what_can_change_is_written_back(message: Message) -> None:
    in_flight = InFlight(Cohorts())
    fixed = {name: getattr(message, name) for name in ("sent_at", "accepted_at", "ttl", "traceparent", "listed")}
    same = {"id": "m1", "account": "main", "channel": "sms", "labels": ()}
    slot = in_flight.add([msgspec.structs.replace(MESSAGE, **fixed)], 1)[0]
    changed = msgspec.structs.replace(message, **fixed, **same)
    in_flight.put(slot, changed)
    assert in_flight.get(slot) == changed


def test_a_new_slot_waits_for_nothing_and_has_no_past() -> None:
    in_flight = InFlight(Cohorts())
    columns, slot = in_flight.columns, in_flight.add([MESSAGE], 1)[0]
    columns.failures[slot] = columns.demand[slot] = columns.stage[slot] = 9
    columns.polled_at[slot] = 30.0
    in_flight.put(slot, msgspec.structs.replace(MESSAGE, status=Status.DELIVERED, seen=16, polls=3, **ANSWERED))
    columns.mark(slot, MATURED)
    in_flight.end(slot)
    in_flight.remove(slot)
    anew = msgspec.structs.replace(MESSAGE, id="m2", traceparent=None)
    assert in_flight.add([anew], 2)[0] == slot
    assert in_flight.get(slot) == anew
    assert (columns.failures[slot], columns.demand[slot], columns.stage[slot], columns.flags[slot]) == (0, 0, 0, 0)
    assert (columns.due_at[slot] < 0, columns.polled_at[slot]) == (True, 0.0)


def test_the_number_of_a_message_that_went_is_found_nowhere() -> None:
    in_flight = InFlight(Cohorts())
    slot = in_flight.add([MESSAGE], 7)[0]
    in_flight.end(slot)
    assert in_flight.columns.seq[slot] == 7
    in_flight.remove(slot)
    assert 7 not in in_flight.columns.seq


def test_maturity_and_the_end_are_remembered() -> None:
    in_flight = InFlight(Cohorts())
    columns, slot = in_flight.columns, in_flight.add([msgspec.structs.replace(MESSAGE, listed=True)], 1)[0]
    assert columns.flags[slot] == LISTED
    columns.mark(slot, MATURED)
    in_flight.end(slot)
    assert columns.flags[slot] == LISTED | MATURED | ENDED
    columns.mark(slot, LISTED, on=False)
    assert [columns.has(slot, flag) for flag in (LISTED, MATURED, ENDED)] == [False, True, True]
    assert in_flight.find("main", "m1") == slot


def test_the_same_id_may_be_in_flight_in_two_accounts() -> None:
    in_flight = InFlight(Cohorts())
    one = in_flight.add([MESSAGE], 1)[0]
    other = in_flight.add([msgspec.structs.replace(MESSAGE, account="other")], 2)[0]
    assert (in_flight.find("main", "m1"), in_flight.find("other", "m1")) == (one, other)
    in_flight.remove(one)
    assert (in_flight.find("main", "m1"), in_flight.find("other", "m1")) == (None, other)
    assert in_flight.find("third", "m1") is None


def test_a_cohort_keeps_its_number() -> None:
    cohorts = Cohorts()
    one, other = Cohort("main", "sms", ()), Cohort("main", "sms", (("campaign", "x"),))
    assert [cohorts.number(each) for each in (one, other, one, Cohort("main", "sms", ()))] == [0, 1, 0, 0]
    assert (cohorts[0], cohorts[1], len(cohorts)) == (one, other, 2)


class Comings(RuleBasedStateMachine):
    """Messages come, change and go; a dictionary beside the columns knows what is true."""

    def __init__(self) -> None:
        super().__init__()
        self.in_flight = InFlight(Cohorts())
        self.truth: dict[tuple[str, str], Message] = {}

    @rule(message=messages)
    def come(self, message: Message) -> None:
        if (message.account, message.id) not in self.truth:
            self.in_flight.put(self.in_flight.add([message], len(self.truth))[0], message)
            self.truth[message.account, message.id] = message

    @rule(which=st.integers(0, 100))
    def go(self, which: int) -> None:
        if self.truth:
            account, message_id = list(self.truth)[which % len(self.truth)]
            slot = self.in_flight.find(account, message_id)
            assert slot is not None
            self.in_flight.end(slot)
            self.in_flight.remove(slot)
            assert self.in_flight.columns.has(slot, ENDED)
            del self.truth[account, message_id]

    @invariant()
    def all_are_there_and_nobody_else(self) -> None:
        found = [self.in_flight.get(slot) for slot in self.in_flight.slots()]
        assert {(each.account, each.id): each for each in found} == self.truth
        assert len(self.in_flight) == len(found) == len(self.truth)


test_messages_come_and_go = Comings.TestCase
test_messages_come_and_go.settings = settings(max_examples=25)

"""The queue of an account whose budget is enough: everybody in the order and at the time that is due."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from exporter.due import DueQueue
from exporter.in_flight import Cohorts, InFlight
from exporter.lane import Lane
from exporter.message import Message
from exporter.schedule import Pace

NOW = 1_700_000_000.0
OTP = Pace(first=2.5, interval=5.0, backoff=1.0, max_interval=5.0, timeout=120.0, mature=60.0, edges=())
REST = Pace(first=10.0, interval=20.0, backoff=1.0, max_interval=20.0, timeout=3_600.0, mature=60.0, edges=())


class Office:
    """A queue with two lanes, and the messages that wait in it by number."""

    def __init__(self, *paces: Pace, budget: float = 1e6) -> None:
        self.in_flight = InFlight(Cohorts())
        self.queue = DueQueue(self.in_flight.columns, paces or (OTP, REST))
        self.budget = budget
        self.slots: list[int] = []
        self.numbers: dict[int, int] = {}

    def enter(self, due_at: float, lane: int = 0, now: float = NOW) -> int:
        number = len(self.slots)
        message = Message(id=f"m{number}", account="main", channel="sms", sent_at=NOW, accepted_at=NOW)
        slot = self.in_flight.add([message], number)[0]
        self.slots.append(slot)
        self.numbers[slot] = number
        self.queue.enter(slot, self.lane(lane), due_at, now)
        return number

    def lane(self, number: int = 0) -> Lane:
        return self.queue.lanes[number]

    def taken(self, now: float, *, spare: bool = True) -> list[tuple[int, float]]:
        """Take all who are due: number of the message and how late it is."""
        self.queue.share(self.budget, now)
        turns = []
        while (turn := self.queue.take(now, spare=spare)) is not None:
            turns.append((self.numbers[turn.slot], round(turn.lag_seconds, 3)))
        return turns


def test_nobody_is_due_in_an_empty_queue() -> None:
    office = Office()
    assert office.taken(NOW) == []
    assert office.queue.next_at(NOW) == (math.inf, math.inf)
    assert office.queue.backlog(NOW) == 0


def test_turns_come_by_due_time_and_say_how_late_they_are() -> None:
    office = Office()
    for due_after in (3.0, 1.0, 2.0, 1.5):
        office.enter(NOW + due_after)
    assert office.taken(NOW + 3.5) == [(1, 2.5), (3, 2.0), (2, 1.5), (0, 0.5)]


def test_turns_come_by_due_time_across_lanes() -> None:
    office = Office()
    for due_after, lane in ((1.03, 0), (1.0, 1), (1.02, 0), (1.01, 1)):
        office.enter(NOW + due_after, lane)
    assert [number for number, _ in office.taken(NOW + 1.04)] == [1, 3, 2, 0]


def test_a_lane_that_is_far_behind_does_not_delay_another() -> None:
    office = Office()
    for _ in range(100):
        office.enter(NOW + 1.0, 1)
    password = office.enter(NOW + 9.99, 0)
    assert office.taken(NOW + 10.0)[0][0] == password


def test_nobody_is_polled_before_its_time() -> None:
    office = Office()
    office.enter(NOW + 2.7)
    assert office.taken(NOW + 2.699) == []
    assert office.taken(NOW + 2.7) == [(0, 0.0)]


def test_the_queue_says_when_to_look_again() -> None:
    office = Office()
    office.enter(NOW + 0.25)
    office.enter(NOW + 7.5)
    assert office.queue.next_at(NOW)[0] == NOW + 0.25
    office.taken(NOW + 1.0)
    assert NOW + 1.0 < office.queue.next_at(NOW + 1.0)[0] <= NOW + 7.5
    assert office.queue.next_at(NOW + 7.0)[0] == NOW + 7.5


def test_a_message_that_left_has_no_turn() -> None:
    office = Office()
    for due_after in (1.0, 1.0, 5.0, 5.0):
        office.enter(NOW + due_after)
    for number in (0, 2):
        office.queue.leave(office.slots[number], office.lane())
    assert [number for number, _ in office.taken(NOW + 9.0)] == [1, 3]


def test_a_message_that_entered_anew_has_one_turn_at_its_new_time() -> None:
    office = Office()
    office.enter(NOW + 1.0)
    for due_after in (30.0, 2.0, 5.0):
        office.queue.enter(office.slots[0], office.lane(), NOW + due_after, NOW)
    assert office.taken(NOW + 4.0) == []
    assert office.taken(NOW + 60.0) == [(0, 55.0)]


def test_a_slot_that_was_freed_and_taken_again_has_one_turn() -> None:
    office = Office()
    office.enter(NOW + 1.0)
    office.queue.leave(office.slots[0], office.lane())
    office.in_flight.end(office.slots[0])
    office.in_flight.remove(office.slots[0])
    assert office.enter(NOW + 4.0) == 1
    assert office.slots[0] == office.slots[1]
    assert office.taken(NOW + 2.0) == []
    assert office.taken(NOW + 5.0) == [(1, 1.0)]


def test_who_comes_within_the_second_that_others_wait_in_is_not_behind_them() -> None:
    office = Office()
    for due_after in (1.1, 1.9):
        office.enter(NOW + due_after)
    assert office.taken(NOW + 1.1) == [(0, 0.0)]
    office.enter(NOW + 1.2, now=NOW + 1.1)
    assert office.taken(NOW + 1.2) == [(2, 0.0)]
    assert office.taken(NOW + 2.0) == [(1, 0.1)]


def test_the_backlog_counts_who_is_due_and_waits() -> None:
    office = Office()
    for due_after in (1.0, 2.0, 50.0):
        office.enter(NOW + due_after)
    assert office.queue.backlog(NOW + 9.0) == 2
    office.taken(NOW + 9.0)
    assert office.queue.backlog(NOW + 9.0) == 0


def test_the_demand_is_the_sum_of_a_poll_a_gap() -> None:
    office = Office()
    for _ in range(10):
        office.enter(NOW + 2.5, 0)
    for _ in range(30):
        office.enter(NOW + 10.0, 1)
    assert round(office.queue.demand_per_second(), 4) == round(10 / 2.5 + 30 / 10.0, 4)


def test_a_message_scheduled_for_much_later_asks_for_nothing_yet() -> None:
    office = Office()
    office.enter(NOW + 86_400.0)
    assert office.queue.demand_per_second() == 0.0


def test_who_comes_just_after_its_lane_was_found_empty_has_its_turn() -> None:
    office = Office()
    assert office.taken(NOW) == []
    office.enter(NOW, 0)
    office.enter(NOW, 1)
    assert office.taken(NOW + 0.01) == [(0, 0.01), (1, 0.01)]


steps = st.lists(
    st.tuples(st.sampled_from(["enter", "again", "leave", "take"]), st.integers(0, 50), st.floats(-10.0, 60.0)),
    max_size=60,
)


@given(steps)
def test_the_demand_is_nothing_when_everybody_left(course: list[tuple[str, int, float]]) -> None:
    office, lanes = Office(), dict[int, int]()
    for kind, which, after in course:
        if kind == "enter":
            lanes[office.enter(NOW + after, which % 2)] = which % 2
        elif kind == "take":
            office.taken(NOW + after)
        elif lanes:
            number = list(lanes)[which % len(lanes)]
            slot, lane = office.slots[number], office.lane(lanes[number])
            if kind == "again":
                office.in_flight.columns.polled_at[slot] = NOW + 1.0
                office.queue.enter(slot, lane, NOW + 1.0 + abs(after), NOW + 1.0)
            else:
                office.queue.leave(slot, lane)
                del lanes[number]
    for number, which in lanes.items():
        office.queue.leave(office.slots[number], office.lane(which))
    assert office.queue.demand_per_second() == 0.0
    assert office.taken(NOW + 1e6) == []


@given(st.lists(st.floats(0.0, 100.0), max_size=40), st.lists(st.floats(-50.0, 50.0), max_size=40))
def test_everybody_has_exactly_one_turn_whatever_the_clock_does(due_after: list[float], jumps: list[float]) -> None:
    office, now, turns = Office(), NOW, []
    for after in due_after:
        office.enter(NOW + after)
    for jump in [*jumps, 200.0]:
        now = max(now + jump, NOW + 101.0) if jump == 200.0 else now + jump
        turns += [(number, now) for number, _ in office.taken(now)]
    assert sorted(number for number, _ in turns) == list(range(len(due_after)))
    assert all(at >= NOW + due_after[number] for number, at in turns)

"""The queue of an account that is asked for more than its budget, in virtual time: fair, busy, and nobody forgotten."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest

from exporter.budget import Budget, Limits
from exporter.columns import CLAIMED
from exporter.due import DueQueue
from exporter.in_flight import Cohorts, InFlight
from exporter.message import Message
from exporter.schedule import Pace, first_due, gap, next_due

NOW = 1_700_000_000.0
ANSWER = 0.1
RETRY = 1.5
AIM = 0.15
NEVER = NOW + 1e9
STEADY = Pace(first=2.5, interval=5.0, backoff=1.0, max_interval=5.0, timeout=3_600.0, mature=300.0, edges=())
GROWING = msgspec.structs.replace(STEADY, backoff=1.5, max_interval=600.0, edges=(5.0, 10.0, 30.0, 60.0, 120.0))


class Account:
    """Messages in flight that are asked about as the poller does it; every call is answered after ANSWER seconds."""

    def __init__(self, *paces: Pace, rate: float, burst: int = 10, concurrency: int = 50) -> None:
        self.in_flight = InFlight(Cohorts())
        self.queue = DueQueue(self.in_flight.columns, paces)
        self.budget = Budget(Limits(rate, burst, concurrency), NOW)
        self.now = NOW
        self.lane_of: dict[int, int] = {}
        self.polled: dict[int, list[float]] = defaultdict(list)
        self.early: list[int] = []
        self.failing: set[int] = set()
        self._due: dict[int, float] = {}
        self._arriving: list[tuple[float, int]] = []
        self._answers: list[tuple[float, int]] = []

    def send(self, count: int, lane: int, at: float = NOW, apart: float = 0.0) -> list[int]:
        """Have messages come, the first at `at` and the others `apart` seconds behind each other."""
        slots = []
        for index in range(count):
            sent_at = at + index * apart
            number = len(self.lane_of)
            message = Message(id=f"m{number}", account="a", channel="sms", sent_at=sent_at, accepted_at=sent_at)
            slot = self.in_flight.add([message], number)[0]
            self.lane_of[slot] = lane
            heapq.heappush(self._arriving, (sent_at, slot))
            slots.append(slot)
        return slots

    def announce(self, slot: int) -> None:
        """Have a webhook come for a message that waits."""
        self._due[slot] = self.now
        self.in_flight.columns.mark(slot, CLAIMED)
        self.queue.hurry(slot, self.queue.lanes[self.lane_of[slot]], self.now, self.now)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self.now < until:
            self._happen()
            while (slot := self._take()) is not None:
                self.polled[slot].append(self.now)
                if self.now < self._due[slot] - 1e-6:
                    self.early.append(slot)
                heapq.heappush(self._answers, (self.now + ANSWER, slot))
            self.now = min(until, self._next_at())

    def _happen(self) -> None:
        while self._arriving and self._arriving[0][0] <= self.now:
            _, slot = heapq.heappop(self._arriving)
            self._enter(slot, first_due(self._pace(slot), self.in_flight.columns.sent_at[slot], AIM))
        while self._answers and self._answers[0][0] <= self.now:
            _, slot = heapq.heappop(self._answers)
            failed = slot in self.failing
            self.budget.finish(self.now - ANSWER, self.now, 500 if failed else 200, None)
            self.in_flight.columns.polled_at[slot] = self.now
            self.in_flight.columns.failures[slot] = failed
            sent_at = self.in_flight.columns.sent_at[slot]
            due_at = self.now + RETRY if failed else next_due(self._pace(slot), sent_at, self.now, AIM, NEVER)
            self._enter(slot, due_at)

    def _pace(self, slot: int) -> Pace:
        return self.queue.lanes[self.lane_of[slot]].pace

    def _enter(self, slot: int, due_at: float) -> None:
        self._due[slot] = due_at
        self.queue.enter(slot, self.queue.lanes[self.lane_of[slot]], due_at, self.now)

    def _take(self) -> int | None:
        if self.budget.ready_at(self.now, spare=False) > self.now:
            return None
        self.queue.share(self.budget.per_second, self.now)
        turn = self.queue.take(self.now, spare=self.budget.ready_at(self.now, spare=True) <= self.now)
        if turn is None:
            return None
        assert turn.lag_seconds >= 0.0
        self.budget.start(self.now)
        return turn.slot

    def _next_at(self) -> float:
        timely, stretched = self.queue.next_at(self.now)
        at = min(
            max(timely, self.budget.ready_at(self.now, spare=False)),
            max(stretched, self.budget.ready_at(self.now, spare=True)),
            *(heap[0][0] for heap in (self._arriving, self._answers) if heap),
            self.now + 1.0,
        )
        return max(at, self.now + 1e-4)

    def polls(self, slots: Iterable[int], since: float, until: float = NEVER) -> list[int]:
        """Return how often each was polled in a span of time."""
        return [sum(since <= at < until for at in self.polled[slot]) for slot in slots]


def test_the_whole_budget_is_used_from_the_first_second_of_a_campaign() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(1_000, 0)
    account.run(122.5)
    for second in range(0, 120, 10):
        since = NOW + 2.5 + second
        assert sum(account.polls(slots, since, since + 10.0)) >= 0.95 * 20.0 * 10.0


def test_what_a_webhook_announced_is_asked_about_before_all_that_the_lane_is_behind() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(1_000, 0)
    account.run(300.0)
    announced = max(slots, key=lambda slot: account.polled[slot][-1])
    account.run(5.0)
    assert account.now - account.queue.lanes[0].time(account.now) > 30.0
    account.announce(announced)
    since = account.now
    account.run(1.0)
    assert account.polls([announced], since) == [1]


def test_the_budget_is_not_overdrawn() -> None:
    account = Account(STEADY, rate=20.0, burst=10)
    slots = account.send(1_000, 0)
    account.run(60.0)
    assert sum(account.polls(slots, NOW)) <= 10 + 20.0 * 60.0


def test_messages_of_a_campaign_have_their_turns_in_rounds() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(500, 0)
    account.run(2.5)
    for _ in range(20):
        account.run(25.0)
        counts = sorted(account.polls(slots, NOW))
        # Whose call is under way when a round ends may sit out the next one.
        assert counts[-1] - counts[int(20.0 * ANSWER * 3)] <= 1
        assert counts[0] >= counts[-1] // 2


def test_all_gaps_of_a_campaign_stretch_by_one_factor() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(500, 0)
    account.run(300.0)
    gaps = sorted(later - at for slot in slots for at, later in pairwise(account.polled[slot]))
    assert gaps[0] >= 0.8 * 25.0
    assert gaps[int(0.98 * len(gaps))] <= 1.2 * 25.0
    assert gaps[-1] <= 2.2 * 25.0


def test_gaps_of_messages_of_all_ages_stretch_by_about_one_factor() -> None:
    account = Account(GROWING, rate=5.0)
    slots = account.send(600, 0, apart=0.5)
    account.run(300.0)
    assert account.queue.demand_per_second() > 1.5 * 5.0
    factors = []
    for slot in slots:
        sent_at = account.in_flight.columns.sent_at[slot]
        for at, later in pairwise(account.polled[slot]):
            if at > NOW + 150.0:
                factors.append((later - at) / gap(GROWING, at - sent_at))
    factors.sort()
    median = factors[len(factors) // 2]
    assert median > 2.0
    assert factors[len(factors) // 20] > 0.75 * median
    assert factors[-1] < 1.4 * median


def test_nobody_is_polled_earlier_than_without_a_campaign() -> None:
    account = Account(STEADY, GROWING, rate=10.0)
    account.send(300, 0)
    account.send(300, 1, apart=0.2)
    account.run(400.0)
    assert account.early == []
    assert len(account.polled) == 600


def test_nobody_is_polled_early_after_a_campaign_either() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(500, 0)
    account.run(60.0)
    for slot in slots[10:]:
        account.queue.leave(slot, account.queue.lanes[0])
    account.run(60.0)
    assert account.early == []
    assert min(account.polls(slots[:10], NOW + 90.0, NOW + 120.0)) >= 5


def test_one_time_passwords_do_not_wait_behind_a_campaign() -> None:
    account = Account(STEADY, STEADY, rate=20.0)
    account.send(800, 0)
    passwords = account.send(100, 1, at=NOW + 10.0, apart=1.0)
    late = []
    for slot in passwords:
        account.run(max(0.0, account.in_flight.columns.sent_at[slot] + 9.0 - account.now))
        account.queue.leave(slot, account.queue.lanes[1])
        sent_at = account.in_flight.columns.sent_at[slot]
        late += [at - due for at, due in zip(account.polled[slot], (sent_at + 2.5, sent_at + 7.6), strict=False)]
    assert len(late) >= 190
    assert max(late) <= 0.25


@pytest.mark.parametrize("small", [100, 400])
def test_lanes_that_do_not_fit_have_equal_shares(small: int) -> None:
    account = Account(STEADY, STEADY, rate=20.0)
    one, other = account.send(1_600, 0), account.send(small, 1)
    account.run(200.0)
    shares = [sum(account.polls(slots, NOW + 50.0)) / 150.0 for slots in (one, other)]
    assert shares == pytest.approx([10.0, 10.0], rel=0.1)


def test_a_lane_that_fits_takes_what_it_asks_for_and_leaves_the_rest() -> None:
    account = Account(STEADY, STEADY, rate=20.0)
    one, other = account.send(1_600, 0), account.send(20, 1)
    account.run(200.0)
    asked = 20 / (5.0 + ANSWER)
    assert sum(account.polls(other, NOW + 50.0)) / 150.0 == pytest.approx(asked, rel=0.05)
    assert sum(account.polls(one, NOW + 50.0)) / 150.0 == pytest.approx(20.0 - asked, rel=0.05)


def test_a_campaign_leaves_one_call_at_a_time_to_those_who_are_due() -> None:
    account = Account(STEADY, STEADY, rate=1_000.0, concurrency=4)
    slots = account.send(500, 0)
    account.run(100.0)
    assert sum(account.polls(slots, NOW + 10.0)) == pytest.approx(90.0 * 3 / ANSWER, rel=0.05)


def test_a_call_that_fails_during_a_campaign_is_repeated_no_later_than_the_others_turns() -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(500, 0)
    account.run(600.0)
    account.failing = set(slots[::10])
    account.run(180.0)
    assert min(account.polls(slots, account.now - 120.0)) >= 3
    assert max(account.polls(slots, account.now - 120.0)) <= 120.0 / RETRY
    assert account.early == []


def test_a_scheduled_send_has_its_first_poll_in_its_turn_though_the_campaign_is_behind() -> None:
    account = Account(STEADY, rate=20.0)
    account.send(500, 0)
    account.run(600.0)
    (slot,) = account.send(1, 0, at=NOW + 600.0)
    account.in_flight.columns.sent_at[slot] = NOW + 900.0
    account.run(400.0)
    assert NOW + 902.5 <= account.polled[slot][0] <= NOW + 902.5 + 35.0


@pytest.mark.parametrize("jump", [-600.0, -3.0, 3.0, 600.0, 86_400.0])
@pytest.mark.parametrize("count", [20, 500])
def test_a_clock_that_jumps_loses_nobody(jump: float, count: int) -> None:
    account = Account(STEADY, rate=20.0)
    slots = account.send(count, 0)
    account.run(60.0)
    account.now += jump
    account.run(max(0.0, -jump) + 60.0)
    before = {slot: len(account.polled[slot]) for slot in slots}
    account.run(60.0)
    assert all(len(account.polled[slot]) > before[slot] for slot in slots)


def test_the_backlog_of_a_stretched_lane_is_what_its_share_is_behind() -> None:
    account = Account(STEADY, rate=20.0)
    account.send(1_000, 0)
    account.run(60.0)
    assert account.queue.backlog(account.now) <= 2
    assert account.queue.backlog(account.now + 3.0) == pytest.approx(60, abs=3)

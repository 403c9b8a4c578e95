"""Any mix of answers, faults, duplicates, time, store failures and kills ends every message once, with exact totals."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from exporter.columns import ENDED
from tests.lab import Lab, account
from tests.model import AGES, DAY, MATURE, TIMEOUT, Model, Tracked
from tests.virtual_time import VirtualLoop

GIVEN = {
    "accounts": [account("main"), account("two", currency="UAH")],
    "polling": [{"timeout": "1h", "mature": "5m", "max_interval": "30s", "interval": "30s"}],
    "objectives": [{"name": "otp", "within": "10s", "target": 0.95}],
    "retention": "720h",
}
LABELS = {
    "messages_accepted": "account",
    "messages_abandoned": "account",
    "messages_finished": "outcome",
    "messages_matured": "result",
    "message_status": "status",
    "exporter_intake": "result",
}
PER_PROCESS = ("smsbat_exporter_polls", "smsbat_exporter_poll_", "smsbat_exporter_store_", "smsbat_exporter_label")
STATUSES = ["scheduled", "processing", "teleported", "delivered", "DELIVERED", "undeliverable", "permanenterror"]
COSTS = ["0", "0.1", "0.2", "0.7", "0.05", "12345678.123456789", "0.000000000001"]


class Exporter(RuleBasedStateMachine):
    """The core and its model side by side; nothing is stored but by `settle`, `offer` and a late failure."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner(loop_factory=VirtualLoop)
        self.lab, self.model = Lab(self.folder, **GIVEN), Model()
        self.shown: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.runner.run(self.lab.start())

    @rule(
        names=st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=5, unique=True),
        own=st.sampled_from(["main", "two"]),
        ahead=st.sampled_from([0, 0, -5, -400, 100]),
        ttl=st.sampled_from([None, None, 60.0]),
    )
    def offer(self, names: list[str], own: str, ahead: int, ttl: float | None) -> None:
        now = self.lab.clock.at
        self.runner.run(self.lab.offer(*names, account=own, channel="sms", sent_at=now + ahead, ttl=ttl))
        for name in names:
            self.model.offer(Tracked(name, own, "sms", now + ahead, now, ttl))
        self.model.store()

    def pick(self, number: int) -> Tracked | None:
        """Return one of the messages that may be polled now."""
        able = [message for message in self.model.open() if message.sent_at <= self.lab.clock.at]
        return able[number % len(able)] if able else None

    @rule(
        number=st.integers(0, 50), status=st.sampled_from(STATUSES), cost=st.sampled_from(COSTS), took=st.integers(0, 3)
    )
    def answer(self, number: int, status: str, cost: str, took: int) -> None:
        if (message := self.pick(number)) is not None:
            now = self.lab.clock.at
            self.lab.answer(message.id, status, account=message.account, took=took, cost=cost)
            self.model.answer(message, status.lower(), cost, now, now + took)

    @rule(number=st.integers(0, 50))
    def not_found(self, number: int) -> None:
        if (message := self.pick(number)) is not None:
            self.lab.not_found(message.id, account=message.account)
            self.model.not_found(message, self.lab.clock.at)

    @rule(number=st.integers(0, 50), code=st.sampled_from([None, 204, 302, 400, 401, 403, 429, 500]))
    def fail(self, number: int, code: int | None) -> None:
        if (message := self.pick(number)) is not None:
            self.lab.fail(message.id, code, account=message.account)
            message.other_at = message.other_at if code is None else self.lab.clock.at
            self.give_up()

    @rule(number=st.integers(0, 50))
    def abandon(self, number: int) -> None:
        if number % 10 == 0 and (message := self.pick(number)) is not None:
            self.lab.core.tracker.abandon(self.lab.slot(message.id, message.account))
            self.model.abandon(message)

    @rule(seconds=st.sampled_from([1, 5, 9, 55, 61, 125, 301, 700, 3_600, 90_000]))
    def advance(self, seconds: float) -> None:
        self.lab.advance(seconds)
        self.model.tick(self.lab.clock.at)
        self.give_up()

    def give_up(self) -> None:
        """Follow the exporter in whom it gives up, if it may."""
        in_flight = self.lab.core.in_flight
        for message in self.model.open():
            if in_flight.columns.has(self.lab.slot(message.id, message.account), ENDED):
                self.model.give_up(message, self.lab.clock.at)

    @rule(fails=st.sampled_from([0, 0, 1, 2]), late=st.booleans())
    def settle(self, fails: int, *, late: bool) -> None:
        self.advance(0)  # calls took their time, in which nobody looked at the clock
        setattr(self.lab.store, "fails_late" if late else "fails", fails)
        self.runner.run(self.lab.settle())
        self.model.store()
        self.compare()

    @rule()
    def kill(self) -> None:
        self.runner.run(self.lab.restart())
        self.model.die()
        self.compare()

    @rule(late=st.booleans())
    def kill_while_the_store_fails(self, *, late: bool) -> None:
        async def fail_and_die() -> None:
            setattr(self.lab.store, "fails_late" if late else "fails", 1)
            settling = self.lab.background(self.lab.settle())
            await self.lab.until(lambda: self.lab.core.committer.meter.problem is not None)
            settling.cancel()
            await self.lab.restart()

        self.runner.run(fail_and_die())
        if late:
            self.model.store()
        self.model.die()
        self.compare()

    def compare(self) -> None:
        """Compare what is shown with the model, once everything is stored; no total may be lower than it was."""
        samples = self.lab.samples()
        counters = {
            (name, tuple(labels.items())): value
            for name, labels, value in samples
            if name.endswith(("_total", "_count", "_bucket")) and not name.startswith(PER_PROCESS)
        }
        assert all(counters.get(key, -1) >= value for key, value in self.shown.items())
        self.shown = counters
        totals: Counter[tuple[str, str]] = Counter()
        for name, labels, value in samples:
            short = name.removeprefix("smsbat_").removesuffix("_total")
            totals[short, labels.get(LABELS.get(short, ""), "")] += value  # type: ignore[assignment]  # counts are floats
        for key, count in self.model.totals.items():
            assert len(key) > 2 or totals[key[0], key[1]] == count, key
        money = {
            (labels["account"], labels["outcome"]): value
            for name, labels, value in samples
            if name == "smsbat_cost_total"
        }
        assert money == {key: float(total) for key, total in self.model.money.items()}
        self.compare_gauges(samples)

    def compare_gauges(self, samples: list[tuple[str, dict[str, str], float]]) -> None:
        own = {
            (labels["account"], labels["status"]): value
            for name, labels, value in samples
            if name == "smsbat_messages_in_flight" and value
        }
        assert own == Counter((message.account, message.status) for message in self.model.open())
        for name, labels, value in samples:
            if name == "smsbat_messages_in_flight_older_than" and labels["account"] == "main":
                ages = [self.lab.clock.at - each.sent_at for each in self.model.open() if each.account == "main"]
                limit = AGES[labels["age"]]
                # A birthday is noticed within the second after it.
                assert sum(age > limit for age in ages) <= value <= sum(age >= limit for age in ages)

    def teardown(self) -> None:
        if not hasattr(self, "lab"):
            return
        try:
            self.settle(0, late=False)
            for seconds in (400, TIMEOUT + MATURE, DAY, 1_000, 1_000):
                self.advance(seconds)
            self.settle(0, late=False)
            assert not self.model.open(), "every message ends"
            ended = sum(
                count
                for key, count in self.model.totals.items()
                if key[0] in {"messages_finished", "messages_abandoned"}
            )
            assert ended == len(self.model.messages)
        finally:
            with self.runner:
                self.runner.run(self.lab.kill())
            shutil.rmtree(self.folder)


Exporter.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestExporter = Exporter.TestCase

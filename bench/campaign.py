"""A campaign that asks for ten times the budget, beside one-time passwords: the real poller, in virtual time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final, cast

import msgspec

from bench.configs import config
from bench.table import Row, Target
from bench.truth import answer_seconds, delivery_seconds
from bench.virtual import VirtualClock, inline_writer, loop_on
from exporter.client import Response
from exporter.core import Core
from exporter.message import Message
from exporter.poller import Poller
from exporter.reading import StatusWords
from exporter.records import Finished
from exporter.schedule import MIN_GAP_SECONDS, Pace, gap
from exporter.settings import layout, polling_rules
from exporter.store.memory import MemoryStore
from exporter.totals import Totals
from exporter.window import Windows

if TYPE_CHECKING:
    from exporter.client import Client
    from exporter.config import Config
    from exporter.desk import Desk

_START_AT: Final = 1_800_000_000.0
_PROMOTIONS: Final = 5_000
_PASSWORDS: Final = 240
_PASSWORD_EVERY_SECONDS: Final = 0.25
_WATCHED_SECONDS: Final = 7_200.0
_OWN_ENTRY: Final = {"channels": ["viber_otp"], "max_interval": "10s", "timeout": "2m", "mature": "1m"}
_STILL: Final = msgspec.json.encode({"deliverystatus": "processing"})
_DELIVERED: Final = msgspec.json.encode({"deliverystatus": "delivered"})


@dataclass(slots=True)
class Seen:
    """What the simulated API saw."""

    password_pace: Pace
    truths: dict[str, float] = field(default_factory=dict)
    """When each message is delivered, Unix seconds."""
    sent_at: dict[str, float] = field(default_factory=dict)
    answered_at: dict[str, float] = field(default_factory=dict)
    started_at: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    """How late each poll of a one-time password began, by the rule for an unstretched one; seconds."""
    asked_too_much_until: float = math.inf
    """When the messages first asked for no more than the budget."""

    def send(self, message_id: str, at: float, random: Random) -> None:
        """Know a message that is sent now."""
        self.sent_at[message_id] = at
        self.truths[message_id] = at + delivery_seconds(random)

    def called(self, message_id: str, now: float) -> None:
        """Note a call that begins."""
        self.started_at.append(now)
        if message_id.startswith("viber_otp"):
            self.lateness.append(max(0.0, now - self._latest(message_id)))

    def _latest(self, message_id: str) -> float:
        sent_at, answered_at = self.sent_at[message_id], self.answered_at.get(message_id)
        if answered_at is None:
            return sent_at + self.password_pace.first
        return answered_at + gap(self.password_pace, answered_at - sent_at)


class _Api:
    """Stands in for the HTTP client: answers after the time that answers take."""

    def __init__(self, seen: Seen, desk: Desk, clock: VirtualClock) -> None:
        self._seen = seen
        self._desk = desk
        self._clock = clock
        self._random = Random(2)
        self.credentials = None
        """It refuses nobody."""

    async def get(self, message_id: str, now: float) -> Response:
        """Look at the message in the middle of the call."""
        seen, took = self._seen, answer_seconds(self._random)
        seen.called(message_id, now)
        if now < seen.asked_too_much_until and self._desk.queue.demand_per_second() <= self._desk.budget.per_second:
            seen.asked_too_much_until = now
        await asyncio.sleep(took / 2)
        delivered = seen.truths[message_id] <= self._clock.now()
        await asyncio.sleep(took / 2)
        seen.answered_at[message_id] = self._clock.now()
        return Response(200, _DELIVERED if delivered else _STILL, None)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a campaign."""

    used: int
    allowed: float
    """Calls made, and calls that the budget allowed, while the messages asked for more."""
    enclosed: float
    """Share of the messages whose bounds enclose their true time."""
    lateness: list[float]


def _send(core: Core, seen: Seen, channel: str, random: Random) -> None:
    now, number = core.clock.now(), len(seen.truths) + 1
    message_id = f"{channel}-{number}"
    seen.send(message_id, now, random)
    core.tracker.track([Message(id=message_id, account="main", channel=channel, sent_at=now, accepted_at=now)], number)


async def _run(settings: Config, clock: VirtualClock) -> Result:
    store, random = MemoryStore(), Random(1)
    core = Core(settings, clock, inline_writer(store), Totals(layout(settings), []), Windows(settings.window, []))
    desk = core.desks["main"]
    seen = Seen(desk.lane("viber_otp").pace)
    poller = Poller(desk, cast("Client", _Api(seen, desk, clock)), core.tracker, StatusWords({}), clock)
    tasks = [asyncio.create_task(core.committer.run()), asyncio.create_task(poller.run())]
    for _ in range(_PROMOTIONS):
        _send(core, seen, "viber_promo", random)
    for _ in range(_PASSWORDS):
        _send(core, seen, "viber_otp", random)
        await asyncio.sleep(_PASSWORD_EVERY_SECONDS)
    await asyncio.sleep(_WATCHED_SECONDS)
    await core.committer.stored()
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    return _result(core, store, seen, desk)


def _result(core: Core, store: MemoryStore, seen: Seen, desk: Desk) -> Result:
    begin = _START_AT + desk.lane("viber_promo").pace.first - MIN_GAP_SECONDS
    used = sum(begin <= at < seen.asked_too_much_until for at in seen.started_at)
    allowed = (seen.asked_too_much_until - begin) * desk.budget.limits.requests_per_second
    enclosed = sum(_enclosed(core, store, seen, message_id) for message_id in seen.truths)
    return Result(used, allowed, enclosed / len(seen.truths), seen.lateness)


def _enclosed(core: Core, store: MemoryStore, seen: Seen, message_id: str) -> bool:
    """Whether a message's bounds hold: of one in flight the lower one, of one that timed out that it was later."""
    after = seen.truths[message_id] - seen.sent_at[message_id]
    row = store.finished("main", message_id)
    if row is None:
        slot = core.in_flight.find("main", message_id)
        assert slot is not None, "a message is in flight, or it ended"
        return core.in_flight.columns.in_flight_at[slot] <= seen.truths[message_id]
    body = msgspec.json.decode(row.body, type=Finished)
    assert body.lower_seconds is not None
    assert body.upper_seconds is not None
    return body.lower_seconds <= after and (after <= body.upper_seconds or body.outcome == "timeout")


def simulate(*, own_entry: bool) -> Result:
    """Run a campaign on a tenth of what it asks for; with a polling entry for one-time passwords, or one for all."""
    default = polling_rules(config())[-1].pace
    settings = config(
        {"requests_per_second": _PROMOTIONS / default.first / 10},
        polling=[_OWN_ENTRY, {}] if own_entry else [{}],
        store={"type": "memory"},
        intake={"max_in_flight": 10_000},
    )
    clock = VirtualClock(_START_AT)
    with asyncio.Runner(loop_factory=loop_on(clock)) as runner:
        return runner.run(_run(settings, clock))


def rows() -> Iterator[Row]:
    """Measure."""
    ours, shared = simulate(own_entry=True), simulate(own_entry=False)
    name = "one polling entry for all"
    yield Row("calls used of a tenth of the demand", ours.used, "calls allowed", ours.allowed, "", _at_least(0.95))
    yield Row("messages enclosed by their bounds", ours.enclosed, name, shared.enclosed, "%", _all())
    worst = (max(ours.lateness), max(shared.lateness))
    yield Row("latest poll of a one-time password", worst[0], name, worst[1], "s", Target("measured", "<=", 0.05))


def _at_least(ratio: float) -> Target:
    return Target("ratio", ">=", ratio)


def _all() -> Target:
    return Target("measured", ">=", 1.0)

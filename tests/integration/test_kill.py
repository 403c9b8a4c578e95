"""kill -9, over and over: nothing is lost, nothing counts twice, and no scrape ever sees a total go down."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import aiohttp

from exporter.simulator import ChannelProfile, Delay, Oddities, Profile, SimAccount, Simulator
from tests.integration import truth
from tests.integration.configs import EVERY_SECOND, KEY, Entry, account, config, message
from tests.integration.halting import HALTED
from tests.integration.process import SERVE, Exporter, spawn, write_config
from tests.integration.scrape import Scrape, Series

SEED: Final = 11
AT_RANDOM: Final = 21
INSIDE: Final = ("begun", "written", "committed")
INSIDE_EACH: Final = 4
LONGEST_LIFE_SECONDS: Final = 2.2
MOST_COMMITS: Final = 30
MESSAGES_A_LIFE: Final = 500
SENT_WITHIN_SECONDS: Final = 2.5
LEAST_TRANSITIONS_A_SECOND: Final = 500.0

POLLING: Final = {**EVERY_SECOND, "timeout": "22s", "mature": "5s"}
CHANNELS: Final = ("sms", "viber_promo", "rcs")
DELAYS: Final = (Delay(0.98, 6.0, 0.15),)
"""Long enough for every step to be seen in spite of the restarts; the 2 % that are left time out."""
PROFILE: Final = Profile(
    channels={
        "sms": ChannelProfile(DELAYS, undeliverable=0.05, permanent_error=0.05, multipart=0.3, price=Decimal("0.0507")),
        "viber_promo": ChannelProfile(
            DELAYS,
            fallback_after_seconds=7.0,
            price=Decimal("0.018"),
            bill_currency="UAH",
            bill_per_rate=Decimal("41.37"),
        ),
        "rcs": ChannelProfile(DELAYS, undeliverable=0.3, fallback_after_seconds=7.0, price=Decimal("0.0301")),
    },
    oddities=Oddities(never_found=0.01, read_later=0.02, odd_case=0.02, numbers_as_text=0.05),
)


@dataclass
class Watch:
    """Remembers the highest value that each total was ever shown with."""

    highest: dict[Series, float] = field(default_factory=dict)
    scrapes: int = 0

    def see(self, scrape: Scrape) -> None:
        """Take one scrape; fail when a total went down or is gone. Before the store is open, there are none."""
        totals = scrape.totals()
        if totals:
            lower = {it: (value, totals.get(it)) for it, value in self.highest.items() if totals.get(it, -1.0) < value}
            assert not lower
            self.highest.update(totals)
            self.scrapes += 1

    def sum(self, name: str) -> float:
        """Add up all series of a counter."""
        return sum(value for (own, _), value in self.highest.items() if own == name)

    async def follow(self, exporter: Exporter) -> None:
        """Scrape a process all the time until it is gone."""
        while True:
            try:
                scrape = await exporter.scrape()
            except aiohttp.ClientError:
                return
            self.see(scrape)


@dataclass
class Traffic:
    """Messages that are listed in config.yaml and known to the simulated API, more of them with each life."""

    simulator: Simulator
    folder: Path
    listed: list[Entry] = field(default_factory=list)

    def grow(self) -> None:
        """List some more, sent one after the other within the next seconds."""
        begin = time.time() + 0.5
        for number in range(MESSAGES_A_LIFE):
            place = len(self.listed)
            channel = CHANNELS[place % len(CHANNELS)]
            sent_at = round(begin + number / MESSAGES_A_LIFE * SENT_WITHIN_SECONDS, 3)
            fallbacks = ("sms",) if channel != "sms" and place % 2 else ()
            self.simulator.add(f"msg-{place}", channel=channel, sent_at=sent_at, fallbacks=fallbacks)
            self.listed.append(message(f"msg-{place}", channel, sent_at))
        accounts = [account(self.simulator.url)]
        write_config(self.folder, config(accounts, self.listed, polling=[POLLING], not_found_grace="10s"))


def deaths(rng: random.Random) -> list[tuple[str, ...] | None]:
    """Return how each process dies, in random order: inside which commit and where, or None for at any moment."""
    inside = [(point, str(rng.randint(2, MOST_COMMITS))) for point in INSIDE * INSIDE_EACH]
    planned: list[tuple[str, ...] | None] = [*inside, *[None] * AT_RANDOM]
    rng.shuffle(planned)
    return planned


async def die(exporter: Exporter, watch: Watch, after_seconds: float | None) -> float:
    """Scrape a process until it is killed, inside a commit or after some seconds; return for how long it polled."""
    await exporter.url()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(watch.follow(exporter))
        if after_seconds is None:
            await exporter.logged(HALTED)
            following.cancel()  # two at a time could be read in the wrong order
            watch.see(await exporter.scrape())
        else:
            assert await exporter.runs_for(after_seconds), exporter.log
        assert await exporter.kill() == -signal.SIGKILL, exporter.log
    ready_at = exporter.logged_at("msg=ready")
    return 0.0 if ready_at is None else time.time() - ready_at


async def kill_again_and_again(traffic: Traffic, watch: Watch, session: aiohttp.ClientSession) -> float:
    """Start a process and kill it, as often as planned; return for how many seconds they polled."""
    rng, polled_seconds = random.Random(SEED), 0.0
    for inside in deaths(rng):
        traffic.grow()
        command = SERVE if inside is None else ("-m", "tests.integration.halting", *inside)
        after_seconds = rng.uniform(0.0, LONGEST_LIFE_SECONDS) if inside is None else None
        async with spawn(session, traffic.folder, *command) as exporter:
            polled_seconds += await die(exporter, watch, after_seconds)
    return polled_seconds


async def finish(traffic: Traffic, watch: Watch, session: aiohttp.ClientSession) -> Scrape:
    """Let a last process bring every message to its end; return what it shows then."""

    def all_ended(scrape: Scrape) -> bool:
        watch.see(scrape)
        return scrape.sum("smsbat_messages_finished_total") >= len(traffic.listed)

    async with spawn(session, traffic.folder, *SERVE) as exporter:
        await exporter.ready()
        scrape = await exporter.shows(all_ended, seconds=60.0)
        assert await exporter.stop() == 0
    return scrape


async def test_kill_9_at_any_moment_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    caller = SimAccount(name="main", api_key=KEY, requests_per_second=None)
    simulator = Simulator(accounts=[caller], seed=SEED, profile=PROFILE, keep_arrivals=False)
    await simulator.start()
    traffic, watch = Traffic(simulator, tmp_path), Watch()
    try:
        async with aiohttp.ClientSession() as session:
            polled_seconds = await kill_again_and_again(traffic, watch, session)
            transitions = watch.sum("smsbat_message_status_total")
            scrape = await finish(traffic, watch, session)
    finally:
        await simulator.close()
    expected = truth.expected(simulator.ledger)
    assert scrape.shown(truth.CHECKED) == {key: float(value) for key, value in expected.items()}
    assert truth.stored(tmp_path / "state.db") == truth.counters(expected)
    assert scrape.sum("smsbat_messages_matured_total") == len(traffic.listed)
    assert scrape.sum("smsbat_messages_in_flight") == 0
    assert watch.scrapes > 10 * (AT_RANDOM + len(INSIDE) * INSIDE_EACH)
    assert transitions / polled_seconds >= LEAST_TRANSITIONS_A_SECOND

"""Something goes wrong at SMSBat, and a real Alertmanager tells of it: the right alert, no other, until it is over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from exporter.simulator import ChannelProfile, Delay, Fault, FaultKind, Profile, Simulator
from tests.integration.configs import KEY, account, config
from tests.integration.monitoring import Page, Pager, paging
from tests.integration.process import Exporter, serving, write_config
from tests.integration.simulated import caller, simulated

SOON: Final = ChannelProfile(delays=(Delay(1.0, 0.3, 0.1),), undeliverable=0.0, permanent_error=0.0)
NEVER: Final = ChannelProfile(delays=(), fallback_after_seconds=1e9)
WELL: Final = Profile(other=SOON)
STALLED: Final = Profile(other=NEVER)
BY_SMS: Final = Profile(channels={"viber_otp": ChannelProfile(delays=(), fallback_after_seconds=0.1)}, other=SOON)
"""No Viber message arrives; each goes on to its fallback."""
REFUSED: Final = Fault(kind=FaultKind.STATUS, status=401)

POLLING: Final = {
    "first": "1s", "interval": "1s", "backoff": 1.5, "max_interval": "5s", "timeout": "1h", "mature": "2s",
}  # fmt: skip
EXPECTED: Final[frozenset[Page]] = frozenset({
    ("stalled", "SmsbatNoDelivery"),
    ("stalled", "SmsbatDeliveryRateLow"),
    ("refused", "SmsbatCredentialsRefused"),
    ("by-sms", "SmsbatFallbackShareHigh"),
})  # fmt: skip
"""Of four accounts; nothing about the one that is well."""
BEFORE_THE_FIRST_SCRAPE: Final[Page] = ("", "SmsbatExporterAbsent")
"""May fire on a slow machine, where five minutes are five seconds."""
TICK_SECONDS: Final = 0.5
A_TICK: Final = 4
"""Messages."""


@dataclass(frozen=True)
class Account:
    """An account at a simulated API of its own, and the exporter that follows it."""

    name: str
    simulator: Simulator
    exporter: Exporter
    numbers: Iterator[int]

    async def send(self, session: aiohttp.ClientSession) -> None:
        """Send some messages with a fallback, and hand them to the exporter."""
        ids = [f"{self.name}-{next(self.numbers)}" for _ in range(A_TICK)]
        for message_id in ids:
            self.simulator.add(message_id, channel="viber_otp", fallbacks=["sms"])
        body = [{"messageId": message_id, "channel": "viber_otp"} for message_id in ids]
        async with session.post(f"{await self.exporter.api_url()}/api/v1/messages", json=body) as answer:
            assert answer.status == 202


@contextlib.asynccontextmanager
async def followed(folder: Path, name: str) -> AsyncIterator[Account]:
    """Run an exporter for one account while the block lasts."""
    home = folder / name
    home.mkdir()
    async with simulated(caller(name, KEY), profile=WELL) as simulator:
        write_config(home, config([account(simulator.url, name)], polling=[POLLING], zero_hold="2s"))
        async with serving(home) as exporter:
            await exporter.ready()
            yield Account(name, simulator, exporter, itertools.count())


@contextlib.asynccontextmanager
async def traffic(accounts: list[Account]) -> AsyncIterator[None]:
    """Send messages in all accounts while the block lasts."""
    over = asyncio.Event()

    async def flow() -> None:
        async with aiohttp.ClientSession() as session:
            while not over.is_set():
                await asyncio.gather(*(account.send(session) for account in accounts))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), TICK_SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(flow())
        yield
        over.set()


async def test_the_right_alert_reaches_alertmanager_and_is_resolved_after_the_fault(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as opened:
        accounts = {
            name: await opened.enter_async_context(followed(tmp_path, name))
            for name in ("well", "stalled", "refused", "by-sms")
        }
        targets = [(await each.exporter.url()).removeprefix("http://") for each in accounts.values()]
        prometheus, pager = await opened.enter_async_context(paging(tmp_path, targets))
        await opened.enter_async_context(traffic(list(accounts.values())))
        matured = "count(job_account_channel:smsbat_messages_matured:increase30m >= 50)"
        await prometheus.has(matured, lambda samples: 4.0 in samples.values())
        await pager.tells(lambda: not pager.firing, seconds=30)
        assert pager.ever <= {BEFORE_THE_FIRST_SCRAPE}
        pager.ever.clear()
        break_(accounts)
        await pager.tells(lambda: set(pager.firing) == EXPECTED, seconds=90)
        says_what_is_wrong(pager)
        for each in accounts.values():
            each.simulator.follow(WELL)
            each.simulator.faults.clear()
        await pager.tells(lambda: not pager.firing, seconds=90)
    assert pager.ever == EXPECTED


def break_(accounts: dict[str, Account]) -> None:
    """Switch the faults on."""
    accounts["stalled"].simulator.follow(STALLED)
    accounts["refused"].simulator.faults.set(REFUSED)
    accounts["by-sms"].simulator.follow(BY_SMS)


def says_what_is_wrong(pager: Pager) -> None:
    """Check the texts that people get."""
    summaries = {page: texts["summary"] for page, texts in pager.firing.items()}
    assert summaries["stalled", "SmsbatNoDelivery"] == "Nothing is delivered: viber_otp of account stalled"
    refused = "SMSBat refuses the credentials of account refused: unauthorized"
    assert summaries["refused", "SmsbatCredentialsRefused"] == refused
    assert summaries["by-sms", "SmsbatFallbackShareHigh"].endswith("% of viber_otp of account by-sms go by a fallback")
    for texts in pager.firing.values():
        assert set(texts) == {"summary", "description", "runbook_url", "dashboard"}
        assert not [text for text in texts.values() if "{{" in text or "no value" in text or "error" in text]

"""Posts the documented webhook to an account's URL when one of its messages ends."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Final

import aiohttp

from exporter.simulator.answers import encoded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.clock import Clock
    from exporter.simulator.accounts import SimAccount, Webhook
    from exporter.simulator.entry import Entry

_LOOK_SECONDS: Final = 0.25
"""How often the clock is looked at: a virtual one cannot be waited for."""
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_AT_ONCE: Final = 50


class Webhooks:
    """Knows which messages end when, and tells about each once."""

    def __init__(self, accounts: Iterable[SimAccount], clock: Clock) -> None:
        self._targets = {account.name: account.webhook for account in accounts if account.webhook is not None}
        self._clock = clock
        self._due: list[tuple[float, int, Entry]] = []
        self._order = count()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.results: Counter[str] = Counter()
        """Webhooks by what came of them: taken, or given_up after the last try."""

    def set(self, account: str, webhook: Webhook) -> None:
        """Send an account's webhooks there, those of messages sent from now on included."""
        self._targets[account] = webhook

    def watch(self, entry: Entry) -> None:
        """Tell about this message when it ends, if its account has a webhook by now."""
        webhook = self._targets.get(entry.account)
        if webhook is None or entry.ended_at is None:
            return
        if random.Random(entry.id).random() < webhook.share:  # noqa: S311  # nosec B311 - the id comes from the seed
            heapq.heappush(self._due, (entry.ended_at, next(self._order), entry))

    async def run(self) -> None:
        """Send webhooks as they come due, until cancelled."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session, asyncio.TaskGroup() as tasks:
            while True:
                for entry in self._ended():
                    await self._slots.acquire()
                    tasks.create_task(self._tell(session, entry)).add_done_callback(lambda _: self._slots.release())
                await asyncio.sleep(_LOOK_SECONDS)

    async def send_due(self) -> None:
        """Send those that are due now and wait for them; for tests, whose clock `run` cannot wait for."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
            for entry in self._ended():
                await self._tell(session, entry)

    def _ended(self) -> list[Entry]:
        now = self._clock.now()
        ended: list[Entry] = []
        while self._due and self._due[0][0] <= now:
            ended.append(heapq.heappop(self._due)[2])
        return ended

    async def _tell(self, session: aiohttp.ClientSession, entry: Entry) -> None:
        webhook = self._targets[entry.account]
        for attempt in range(webhook.tries):
            if attempt:
                await asyncio.sleep(webhook.retry_seconds)
            if await _posted(session, webhook, webhook_body(entry)):
                self.results["taken"] += 1
                return
        self.results["given_up"] += 1


def webhook_body(entry: Entry) -> bytes:
    """Return the documented body; its timestamp has whole seconds."""
    end = entry.life.end
    if end is None:
        raise ValueError(f"message {entry.id} does not end")
    ended_at = datetime.fromtimestamp(int(entry.sent_at + end.offset_seconds), UTC)
    body: dict[str, object] = {
        "messageId": entry.id,
        "deliverystatus": end.status,
        "timestamp": ended_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if entry.life.money.cost is not None:
        body["cost"] = entry.life.money.cost
    return encoded(body)


async def _posted(session: aiohttp.ClientSession, webhook: Webhook, body: bytes) -> bool:
    headers = {"Content-Type": "application/json"}
    if webhook.token is not None:
        headers["Authorization"] = f"Bearer {webhook.token}"
    try:
        async with session.post(webhook.url, data=body, headers=headers, allow_redirects=False) as response:
            return 200 <= response.status < 300
    except (aiohttp.ClientError, TimeoutError):
        return False

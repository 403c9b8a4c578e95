"""Webhooks through the real process: they end messages long before a poll would, and survive kill -9."""

from __future__ import annotations

import datetime as dt
import json
import signal
import time
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from exporter.simulator import Fault, FaultKind, Webhook
from tests.integration.configs import KEY, account, config, message
from tests.integration.process import serving, write_config
from tests.integration.simulated import calls, delivered_after, simulated

if TYPE_CHECKING:
    from pathlib import Path

TOKEN: Final = "token-8d21e7"
SELDOM: Final = {"first": "1h", "interval": "1h", "max_interval": "2h", "timeout": "10h", "mature": "9h"}
"""No poll but those that webhooks ask for."""
RARELY: Final = {"polling": [SELDOM], "buckets": [30_000]}
FINISHED: Final = "smsbat_messages_finished_total"
WEBHOOKS: Final = "smsbat_exporter_webhooks_total"


async def test_messages_end_by_webhook_and_one_poll_each_with_the_webhooks_time(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    ids = [f"msg-{number}" for number in range(50)]
    async with simulated() as simulator:
        sent_at = round(time.time(), 3)
        listed = [message(each, sent_at=sent_at) for each in ids]
        hooked = account(simulator.url, webhook_token_file="token")
        write_config(tmp_path, config([hooked], listed, **RARELY))
        async with serving(tmp_path) as exporter:
            await exporter.ready()
            url = await exporter.webhooks_url()
            simulator.webhooks.set("main", Webhook(url=f"{url}/webhook/main/{TOKEN}"))
            for each in ids:
                simulator.add(each, channel="sms", sent_at=sent_at, life=delivered_after(4.0))
            scrape = await exporter.shows(lambda seen: seen.sum(FINISHED, outcome="delivered") == len(ids))
            assert scrape.sum(WEBHOOKS, result="applied") == len(ids)
            assert calls(simulator) == len(ids)
            lower = scrape.sum("smsbat_time_to_delivery_lower_bound_seconds_sum")
            upper = scrape.sum("smsbat_time_to_delivery_seconds_sum")
            assert lower <= 4.0 * len(ids) <= upper
            assert upper - lower <= len(ids)  # a second each: the simulated webhook's time has no fraction
            assert scrape.sum("smsbat_cost_total", outcome="delivered") == pytest.approx(0.05 * len(ids))
            assert await exporter.stop() == 0
            assert TOKEN not in exporter.log
            assert KEY not in exporter.log


async def test_a_webhook_that_was_answered_survives_kill_9(tmp_path: Path) -> None:
    async with simulated() as simulator, aiohttp.ClientSession() as session:
        sent_at = round(time.time() - 10, 3)
        simulator.add("msg-1", channel="sms", sent_at=sent_at, life=delivered_after(3.25))
        simulator.faults.set(Fault(kind=FaultKind.STATUS, status=503, share=1.0))
        hooked = account(simulator.url, webhook_token=TOKEN)
        write_config(tmp_path, config([hooked], [message("msg-1", sent_at=sent_at)], **RARELY))
        async with serving(tmp_path) as exporter:
            await exporter.ready()
            await exporter.shows(lambda seen: seen.sum("smsbat_messages_in_flight") == 1)
            assert await posted(session, await exporter.webhooks_url(), sent_at + 3.25) == 204
            await exporter.kill()
        simulator.faults.clear()
        async with serving(tmp_path) as exporter:
            scrape = await exporter.shows(lambda seen: seen.sum(FINISHED, outcome="delivered") == 1)
            assert scrape.sum("smsbat_time_to_delivery_seconds_sum") == pytest.approx(3.25, abs=0.001)
            assert scrape.sum("smsbat_time_to_delivery_lower_bound_seconds_sum") == pytest.approx(3.25, abs=0.001)
            assert await posted(session, await exporter.webhooks_url(), sent_at + 3.25) == 204
            assert (await exporter.scrape()).sum(FINISHED) == 1


async def test_the_listener_opens_and_closes_as_the_configuration_says(tmp_path: Path) -> None:
    async with simulated() as simulator, aiohttp.ClientSession() as session:
        without = config([account(simulator.url)])
        write_config(tmp_path, without)
        async with serving(tmp_path) as exporter:
            await exporter.ready()
            assert await exporter.webhooks_url() == "off"
            write_config(tmp_path, config([account(simulator.url, webhook_token=TOKEN)]))
            exporter.send(signal.SIGHUP)
            line = await exporter.logged("webhooks are taken")
            url = next(word.removeprefix("url=") for word in line.split() if word.startswith("url="))
            assert await posted(session, url, 0.0) == 404
            write_config(tmp_path, without)
            exporter.send(signal.SIGHUP)
            await exporter.logged("webhooks are taken no more")
            with pytest.raises(aiohttp.ClientConnectionError):
                await posted(session, url, 0.0)
            assert await exporter.stop() == 0


async def posted(session: aiohttp.ClientSession, url: str, at: float) -> int:
    """Send a webhook that says when `msg-1` was delivered; return the status."""
    timestamp = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")
    body = json.dumps({"messageId": "msg-1", "deliverystatus": "delivered", "timestamp": timestamp})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with session.post(f"{url}/webhook/main", data=body, headers=headers) as response:
        return response.status

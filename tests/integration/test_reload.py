"""SIGHUP and POST /-/reload: messages come and go, accounts too, and a bad configuration changes nothing."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path
from typing import Final

from exporter.store import Batch, InFlightRow
from exporter.store.sqlite import SqliteStore
from tests.integration.configs import account, config, message
from tests.integration.process import Exporter, serving, write_config
from tests.integration.scrape import Scrape
from tests.integration.simulated import ENDLESS, caller, calls, delivered_after, simulated

LIFECYCLE: Final = "--web.enable-lifecycle"
RELOADED: Final = (200, "reloaded\n")
SUCCESSFUL: Final = "smsbat_exporter_config_last_reload_successful"
ACCEPTED: Final = "smsbat_messages_accepted_total"
FINISHED: Final = "smsbat_messages_finished_total"
ABANDONED: Final = "smsbat_messages_abandoned_total"
IN_FLIGHT: Final = "smsbat_messages_in_flight"


async def reload(exporter: Exporter) -> tuple[int, str]:
    """Have the configuration read again over HTTP."""
    return await exporter.get("/-/reload", method="POST")


def counted(scrape: Scrape) -> tuple[float, float, float]:
    """Return how many messages were accepted, abandoned and finished."""
    return scrape.sum(ACCEPTED), scrape.sum(ABANDONED), scrape.sum(FINISHED)


async def test_reload_over_http_is_forbidden_unless_it_is_enabled(tmp_path: Path) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    async with serving(tmp_path) as exporter:
        await exporter.ready()
        assert await reload(exporter) == (403, "Lifecycle API is not enabled.\n")
        assert await exporter.get("/-/reload", method="PUT") == (403, "Lifecycle API is not enabled.\n")
        assert "reloaded" not in exporter.log


async def test_a_bad_configuration_keeps_the_old_one_running_until_a_good_one_comes(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=ENDLESS)
        good = config([account(simulator.url)], [message("msg-1")])
        write_config(tmp_path, good)
        async with serving(tmp_path, LIFECYCLE) as exporter:
            await exporter.ready()
            write_config(tmp_path, good.replace('"zero_hold"', '"zero_held"'))
            status, body = await reload(exporter)
            assert status == 500
            assert "zero_held" in body
            asked = calls(simulator)
            scrape = await exporter.shows(lambda _: calls(simulator) >= asked + 2)
            assert scrape.sum(SUCCESSFUL) == 0
            assert scrape.sum(IN_FLIGHT) == 1
            assert "the last reload failed" in (await exporter.get("/-/healthy"))[1]
            write_config(tmp_path, good)
            assert await reload(exporter) == RELOADED
            assert (await exporter.scrape()).sum(SUCCESSFUL) == 1
            assert await exporter.stop() == 0


async def test_sighup_reloads_and_survives_a_bad_configuration(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=ENDLESS)
        write_config(tmp_path, config([account(simulator.url)]))
        async with serving(tmp_path) as exporter:
            await exporter.ready()
            write_config(tmp_path, "accounts: []\n")
            exporter.send(signal.SIGHUP)
            await exporter.logged("the configuration is not reloaded")
            assert (await exporter.scrape()).sum(SUCCESSFUL) == 0
            write_config(tmp_path, config([account(simulator.url)], [message("msg-1")]))
            exporter.send(signal.SIGHUP)
            await exporter.logged("the configuration is reloaded")
            scrape = await exporter.shows(lambda scrape: scrape.sum(IN_FLIGHT, status="processing") == 1)
            assert scrape.sum(SUCCESSFUL) == 1
            assert await exporter.stop() == 0


async def test_listed_messages_come_and_go_and_never_count_twice_across_a_restart_either(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("done", life=delivered_after(0.0))
        simulator.add("gone", life=ENDLESS)
        accounts = [account(simulator.url)]
        both = config(accounts, [message("done"), message("gone")])
        write_config(tmp_path, config(accounts, [message("done")]))
        async with serving(tmp_path, LIFECYCLE) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) == 1)
            write_config(tmp_path, both)
            assert await reload(exporter) == RELOADED
            assert counted(await exporter.shows(lambda scrape: scrape.sum(IN_FLIGHT, status="processing") == 1)) == (
                2,
                0,
                1,
            )
            write_config(tmp_path, config(accounts))
            assert await reload(exporter) == RELOADED
            assert counted(await exporter.scrape()) == (2, 1, 1)
            write_config(tmp_path, both)
            assert await reload(exporter) == RELOADED
            assert counted(await exporter.scrape()) == (2, 1, 1)
            assert await exporter.stop() == 0
        asked = calls(simulator)
        async with serving(tmp_path, LIFECYCLE) as exporter:
            await exporter.ready()
            assert await reload(exporter) == RELOADED
            scrape = await exporter.scrape()
            assert counted(scrape) == (2, 1, 1)
            assert scrape.sum(IN_FLIGHT) == 0
            assert await exporter.stop() == 0
        assert calls(simulator) == asked


async def test_messages_of_an_account_that_is_removed_are_parked_and_go_on_when_it_returns(tmp_path: Path) -> None:
    async with simulated(caller(), caller("other", "key-of-other")) as simulator:
        life = delivered_after(8.0)
        simulator.add("theirs", account="other", life=life)
        main = account(simulator.url)
        other = account(simulator.url, "other", auth={"method": "header", "api_key": "key-of-other"})
        track_unlisted(tmp_path / "state.db", "other", "theirs")
        write_config(tmp_path, config([main, other]))
        async with serving(tmp_path, LIFECYCLE) as exporter:
            await exporter.shows(lambda _: calls(simulator, "other") > 0)
            write_config(tmp_path, config([main]))
            assert await reload(exporter) == RELOADED
            scrape = await exporter.scrape()
            assert scrape.sum("smsbat_exporter_parked_messages") == 1
            assert "1 messages are parked" in (await exporter.get("/-/healthy"))[1]
            asked = calls(simulator, "other")
            assert await exporter.runs_for(2.0)
            assert calls(simulator, "other") == asked
            write_config(tmp_path, config([main, other]))
            assert await reload(exporter) == RELOADED
            scrape = await exporter.shows(lambda scrape: scrape.sum(FINISHED, account="other") == 1)
            assert scrape.sum("smsbat_exporter_parked_messages") == 0
            assert scrape.sum(FINISHED, account="other", outcome="delivered") == 1
            assert await exporter.stop() == 0


def track_unlisted(path: Path, owner: str, message_id: str) -> None:
    """Put a message into a new store that did not come from the configuration, which would abandon it."""
    now = time.time()
    store = SqliteStore(path)
    store.commit(
        Batch(
            accepted=[
                InFlightRow(
                    seq=1,
                    account=owner,
                    id=message_id,
                    channel="sms",
                    labels="",
                    sent_at=now,
                    accepted_at=now,
                    ttl=math.inf,
                    traceparent=None,
                    status=0,
                    seen=0,
                    in_flight_at=0.0,
                    answered_at=0.0,
                    other_at=0.0,
                    flags=0,
                    polls=0,
                )
            ]
        )
    )
    store.close()

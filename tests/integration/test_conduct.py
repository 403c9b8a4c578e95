"""How the running exporter treats SMSBat's API and its users' secrets, over real connections."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Final

from exporter.simulator import Fault, FaultKind
from tests.integration.configs import KEY, account, config, message
from tests.integration.process import OPENMETRICS, Exporter, serving, write_config
from tests.integration.scrape import Scrape
from tests.integration.simulated import ENDLESS, calls, delivered_after, simulated
from tests.raw_server import Handler, RawServer, answering, response
from tests.raw_server import serving as raw_serving

POLLS: Final = "smsbat_exporter_polls_total"
PHONE: Final = "380671234567"
"""Sits in message ids and answers, as it does in the wild."""


async def test_connections_that_close_after_each_answer_lead_to_no_second_request_within_a_second(
    tmp_path: Path,
) -> None:
    arrivals: dict[str, list[float]] = defaultdict(list)

    async def answer_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message_id = raw.targets[-1].rpartition("/")[2]
        arrivals[message_id].append(asyncio.get_running_loop().time())
        if len(arrivals[message_id]) % 2:  # as kept alive, and then it is not
            writer.write(response(body=f'{{"messageId":"{message_id}","deliverystatus":"processing"}}'.encode()))
            await writer.drain()
        writer.close()

    async with raw_serving(answer_and_close) as raw:
        listed = [message(f"msg-{number}") for number in range(20)]
        write_config(tmp_path, config([account(raw.url)], listed))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda _: len(arrivals) == 20 and all(len(times) >= 5 for times in arrivals.values()))
            assert await exporter.stop() == 0
    gaps = [after - before for times in arrivals.values() for before, after in pairwise(times)]
    assert min(gaps) >= 0.99  # its clock is not ours


async def test_redirects_are_not_followed(tmp_path: Path) -> None:
    async with raw_serving(answering()) as elsewhere, raw_serving(redirecting_to(elsewhere)) as raw:
        write_config(tmp_path, config([account(raw.url)], [message("msg-1")]))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(POLLS, result="unreadable") >= 2)
            assert await exporter.stop() == 0
    assert elsewhere.connections == 0
    assert set(raw.targets) == {"/bat/message/msg-1"}


def redirecting_to(elsewhere: RawServer) -> Handler:
    """Return a handler that sends every request to another origin."""
    return answering(302, headers=f"Location: {elsewhere.url}/bat/message/msg-1\r\n")


async def test_a_secret_file_that_changes_after_a_401_is_used_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("key-revoked\n", "utf-8")
    auth = {"method": "header", "api_key_file": "api-key"}
    async with simulated() as simulator:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url, auth=auth)], [message("msg-1")]))
        async with serving(tmp_path) as exporter:
            scrape = await exporter.shows(lambda scrape: scrape.sum(POLLS, result="unauthorized") >= 1)
            assert scrape.sum("smsbat_exporter_account_paused", reason="unauthorized") == 1
            assert "refuses the credentials (401)" in (await exporter.get("/-/healthy"))[1]
            (tmp_path / "new-key").write_text(f"{KEY}\n", "utf-8")
            (tmp_path / "new-key").rename(tmp_path / "api-key")
            scrape = await exporter.shows(
                lambda scrape: scrape.sum("smsbat_messages_finished_total", outcome="delivered") == 1
            )
            assert scrape.sum("smsbat_exporter_account_paused") == 0
            assert await exporter.stop() == 0
        assert "key-revoked" not in exporter.log
        assert KEY not in exporter.log


async def test_polls_stay_a_second_apart_and_within_the_budget(tmp_path: Path) -> None:
    async with simulated() as simulator:
        for number in range(60):
            simulator.add(f"msg-{number}", life=ENDLESS)
        listed = [message(f"msg-{number}") for number in range(60)]
        budget = account(simulator.url, requests_per_second=20, burst=5)
        write_config(tmp_path, config([budget], listed))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda _: calls(simulator) >= 120)
            assert await exporter.stop() == 0
        arrivals = simulator.ledger.account_arrivals["main"]
        assert simulator.ledger.smallest_gap_seconds() >= 0.99
        assert (len(arrivals) - 5) / (arrivals[-1] - arrivals[0]) <= 20 * 1.02


async def test_no_secret_phone_number_or_message_id_is_in_any_log_line_or_page(tmp_path: Path) -> None:
    ids = [f"{PHONE}-{kind.value}" for kind in FaultKind]
    async with simulated() as simulator:
        for kind, message_id in zip(FaultKind, ids, strict=True):
            simulator.add(message_id, life=ENDLESS)
            # The status and the size are those of the kinds that have one.
            fault = Fault(kind=kind, message_id=message_id, max_calls=2, status=403, size_bytes=3_000_000)
            simulator.faults.add(fault)
        accounts = [account(simulator.url, request_timeout="500ms")]
        simulator.add(f"{PHONE}-ended", life=delivered_after(0.0))
        listed = [message(message_id) for message_id in (*ids, f"{PHONE}-ended")]
        write_config(tmp_path, config(accounts, listed))
        async with serving(tmp_path, "--log.level=debug", "--web.enable-lifecycle") as exporter:
            assert f"…{PHONE[-4:]}-ended" in await exporter.logged("a message ended")
            await exporter.shows(lambda scrape: every_call_went_wrong(scrape, simulator.ledger.answers.total()))
            write_config(tmp_path, config(accounts, [*listed, message(f"{PHONE} no id")], api_key=KEY))
            pages = [(await exporter.get("/-/reload", method="POST"))[1], *await every_page(exporter)]
            assert await exporter.stop() == 0
    seen = "\n".join([exporter.log, *pages])
    assert KEY not in seen
    assert PHONE not in seen


def every_call_went_wrong(scrape: Scrape, answers: int) -> bool:
    """Whether each kind of fault has struck twice, and the exporter has heard of it."""
    return scrape.sum(POLLS) > 2 * len(FaultKind) and answers > 2 * len(FaultKind)


async def every_page(exporter: Exporter) -> list[str]:
    """Return the bodies of all that its web listener shows."""
    plain = [(await exporter.get(path))[1] for path in ("/", "/metrics", "/-/healthy", "/-/ready")]
    return [*plain, (await exporter.get("/metrics", accept=OPENMETRICS))[1]]

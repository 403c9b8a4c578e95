from __future__ import annotations

import argparse
import asyncio
import re
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import catalogue as metrics
from exporter import cli
from exporter.admission import Offer
from exporter.catalogue import METRICS
from exporter.demo import setting, telling, traffic
from exporter.demo.traffic import STREAMS
from exporter.totals import Histogram, Key, Value

PATIENCE_SECONDS = 30.0
OFFER = Offer(id="m1", account="shop", channel="sms", sent_at=1_000.0, labels={"campaign": "spring"})


class Command:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, pattern: str) -> re.Match[str]:
        """Read its output up to a line that the pattern is found in."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.said.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"it never said {pattern!r}: {''.join(self.said)}")

    async def ends(self) -> tuple[int, str]:
        _, complaints = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, complaints.decode()


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Command]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def fetched(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_messages_flow_through_the_demo_and_sigterm_ends_it_cleanly() -> None:
    async with running(
        "demo",
        "--web.listen-address=127.0.0.1:0",
        "--api.listen-address=127.0.0.1:0",
        "--webhook.listen-address=127.0.0.1:0",
    ) as demo:
        url = (await demo.says(r"metrics +(http://127\.0\.0\.1:\d+)/metrics"))[1]
        line = await demo.says(r"accepted (\d+): (.*); median")
        in_flight, delivered, *others = [int(number) for number in re.findall(r"\d+", line[2])]
        assert int(line[1]) == in_flight + delivered + sum(others)
        assert delivered > 0
        families = {each.name: each for each in text_string_to_metric_families(await fetched(f"{url}/metrics"))}
        times = families["smsbat_time_to_delivery_seconds"].samples
        assert {sample.labels["account"] for sample in times} == {setting.SHOP, setting.CLINIC}
        up = families["smsbat_exporter_api_up"].samples
        assert [sample.value for sample in up] == [1.0, 1.0]
        demo.process.send_signal(signal.SIGTERM)
        await demo.says("Stopping")
        assert await demo.ends() == (0, "")


async def test_the_demo_takes_sends_through_its_relay() -> None:
    async with running("demo", "--web.listen-address=127.0.0.1:0", "--api.listen-address=127.0.0.1:0") as demo:
        url, key = (await demo.says(r"relay +(\S+) \(send with X-Authorization-Key: (\S+)\)")).groups()
        message = {"to": "+380000000000", "type": "sms", "text": "Hello"}
        headers = {"X-Authorization-Key": key}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"messages": [message]}, headers=headers) as answer,
        ):
            assert answer.status == 200
            assert len((await answer.json())["messages"]) == 1
        demo.process.send_signal(signal.SIGTERM)
        assert await demo.ends() == (0, "")


async def test_the_demo_says_that_its_address_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running(
            "demo",
            f"--web.listen-address={address}",
            "--api.listen-address=127.0.0.1:0",
            "--webhook.listen-address=127.0.0.1:0",
        ) as demo:
            code, complaint = await demo.ends()
    assert code == 1
    assert complaint == f"smsbat-exporter: cannot listen on {address} (--web.listen-address): Address already in use\n"


async def test_simulate_answers_as_it_says_and_ctrl_c_ends_it_cleanly() -> None:
    async with running("simulate", "--simulator.listen-address", "127.0.0.1:0", "--simulator.seed=7") as api:
        url = (await api.says(r"(http://\S+) \(profile realistic, seed 7\)"))[1]
        key = (await api.says(r"API key +(\S+)"))[1]
        user, password = (await api.says(r"user and password +(\S+) (\S+)")).groups()
        body = (await api.says(r"-d '(.*)'"))[1]
        await api.says("Ctrl-C")
        headers = {"X-Authorization-Key": key, "Content-Type": "application/json"}
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/bat/messagelist", data=body, headers=headers) as sent:
                message_id = (await sent.json())["messages"][0]["messageId"]
            headers = {"Authorization": aiohttp.encode_basic_auth(user, password)}
            async with session.get(f"{url}/bat/message/{message_id}", headers=headers) as answer:
                assert (await answer.json())["deliverystatus"] == "scheduled"
        api.process.send_signal(signal.SIGINT)
        assert await api.ends() == (0, "")


def test_a_random_seed_is_another_one_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    def simulate(options: argparse.Namespace) -> int:
        seeds.append(options.seed)
        return 0

    monkeypatch.setattr(cli, "_simulate", simulate)
    for seed in ("7", "random", "random"):
        assert cli.main(["simulate", f"--simulator.seed={seed}"]) == 0
    assert seeds[0] == 7
    assert len(set(seeds)) == 3


def test_a_seed_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--simulator.seed=today"])
    assert "'today' is neither a number nor random" in capsys.readouterr().err


async def test_simulate_says_that_its_address_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with running("simulate", "--simulator.listen-address", address) as api:
            code, complaint = await api.ends()
    assert code == 1
    assert complaint.endswith("(--simulator.listen-address): Address already in use\n")


def test_the_config_knows_the_account_and_the_channel_of_every_stream() -> None:
    config = setting.config({setting.SHOP: "http://127.0.0.1:1", setting.CLINIC: "http://127.0.0.1:2"})
    assert {account.name for account in config.accounts} == {stream.account for stream in STREAMS}
    named = {channel for entry in config.polling for channel in entry.channels}
    assert {stream.channel for stream in STREAMS} == named


def test_the_accounts_authenticate_and_pay_in_different_ways() -> None:
    config = setting.config({setting.SHOP: "http://127.0.0.1:1", setting.CLINIC: "http://127.0.0.1:2"})
    assert len({account.auth.method for account in config.accounts}) == 2
    assert len({account.currency for account in config.accounts}) == 2


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: f"{stream.channel}-{stream.campaign}")
def test_a_stream_sends_as_many_as_it_says(stream: traffic.Stream) -> None:
    assert sum(stream.due(tick) for tick in range(60)) == stream.per_minute


@pytest.mark.parametrize(
    ("number", "given"),
    [
        (0, [OFFER]),
        (10, [OFFER, OFFER]),
        (80, [Offer(id="m1", account="shop", channel="sms", sent_at=1_000.0, ttl=5_184_000.0, labels=OFFER.labels)]),
        (30, [Offer(id="m1", account="shop", channel="sms", sent_at=1_003.0, labels=OFFER.labels)]),
    ],
)
def test_out_of_sixty_messages_a_few_are_handed_in_wrong(number: int, given: list[Offer]) -> None:
    assert list(traffic.handed_in(OFFER, number, 1_001.0)) == given


def test_a_line_accounts_for_every_message_and_encloses_the_median() -> None:
    edges = (1.0, 2.5, 5.0)
    totals: dict[Key, Value] = {
        (metrics.ACCEPTED, ("shop", "sms", "spring")): 9,
        (metrics.ACCEPTED, ("shop", "sms", "")): 1,
        (metrics.FINISHED, ("shop", "sms", "spring", "delivered", "none")): 3,
        (metrics.FINISHED, ("shop", "sms", "spring", "undeliverable", "none")): 1,
        (metrics.FINISHED, ("shop", "sms", "", "permanenterror", "none")): 1,
        (metrics.FINISHED, ("shop", "sms", "", "timeout", "unknown")): 1,
        (metrics.ABANDONED, ("shop", "sms")): 1,
        (metrics.DELIVERY_TIME, ("shop", "sms", "none")): Histogram(edges, (0, 1, 2, 0), 9.0),
        (metrics.DELIVERY_TIME_LOWER, ("shop", "sms", "none")): Histogram((0.9, 2.25, 4.5), (1, 2, 0, 0), 4.0),
    }
    assert telling.status_line(15.2, totals, 3, 25) == (
        "  15 s: accepted 10: 3 in flight, 3 delivered, 2 failed, 1 timeout, 0 not found, 1 abandoned;"
        " median 0.9 to 5 s; 2.5 polls each"
    )


def test_a_line_before_the_first_delivery_names_no_median() -> None:
    assert telling.status_line(5.0, {}, 0, 0).endswith("none delivered yet; 0.0 polls each")


def test_what_is_said_to_stand_still_exists() -> None:
    still = Counter(metric for _, names in telling.STILL for metric in names)
    assert set(still.values()) == {1}
    assert set(still) < set(METRICS)
    for _, metric, values in telling.STILL_VALUES:
        assert values.partition(" ")[0] in metric.labels

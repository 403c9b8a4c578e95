"""The examples in docs/, each language beside the others: what they say, how they exit, and what they send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import yaml

from exporter.simulator import ChannelProfile, Delay, Profile, Refusals, Simulator
from tests.api_listener import error, listening
from tests.integration.configs import EVERY_SECOND, KEY
from tests.integration.process import PATIENCE_SECONDS, ROOT, Exporter, environment, serving, write_config
from tests.integration.simulated import simulated

EXAMPLES: Final = ROOT / "docs" / "examples"
INTERPRETERS: Final = {"sh": "bash", "py": sys.executable, "mjs": "node", "php": "php"}
NEEDED: Final = {"sh": ("bash", "curl", "python3"), "py": (), "mjs": ("node",), "php": ("php",)}
INSTALLED: Final = [language for language, programs in NEEDED.items() if all(map(shutil.which, programs))]
PHONE: Final = "+380501112233"
NOBODY: Final = "http://127.0.0.1:1"

NEVER: Final = ChannelProfile(delays=())


class Ended(NamedTuple):
    """How a program ended."""

    code: int
    output: str
    errors: str


class World(NamedTuple):
    """What the programs run against."""

    simulator: Simulator
    exporter: Exporter
    url: str
    metrics_url: str

    @property
    def sent(self) -> Counter[str]:
        """How many messages SMSBat accepted, by channel."""
        return Counter(entry.channel for entry in self.simulator.ledger)


def soon(*, undeliverable: float = 0.0, share: float = 1.0) -> ChannelProfile:
    """Return a channel on which a share of the messages ends after half a second, and the others never."""
    return ChannelProfile(delays=(Delay(share, 0.5, 0.0),), undeliverable=undeliverable, permanent_error=0.0)


async def run_example(use: str, language: str, *arguments: str, url: str, **env: str) -> Ended:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(
        INTERPRETERS[language],
        str(EXAMPLES / f"{use}.{language}"),
        *arguments,
        env=environment({"SMSBAT_API_KEY": KEY, "SMSBAT_EXPORTER_URL": url, "WAIT_SECONDS": "30", **env}),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(2 * PATIENCE_SECONDS):
        output, errors = await process.communicate()
    for secret in (KEY, PHONE):
        assert secret not in output.decode() + errors.decode()
    return Ended(process.returncode or 0, output.decode(), errors.decode())


async def everywhere(use: str, *arguments: str, url: str, **env: str) -> Mapping[str, Ended]:
    """Run a program in every language that is installed, all at once; `{}` in an argument is the language."""
    runs = (
        run_example(use, language, *(each.format(language) for each in arguments), url=url, **env)
        for language in INSTALLED
    )
    return dict(zip(INSTALLED, await asyncio.gather(*runs), strict=True))


def said(ended: Mapping[str, Ended]) -> dict[str, tuple[int, str]]:
    """Return exit code and output by language."""
    return {language: (each.code, each.output) for language, each in ended.items()}


def alike(code: int, output: str) -> dict[str, tuple[int, str]]:
    """Return exit code and output by language, the same in each."""
    return dict.fromkeys(INSTALLED, (code, output))


def write_example_config(folder: Path, base_url: str, mature: str) -> None:
    """Write the configuration beside the examples, for another API, polling every second."""
    config = yaml.safe_load((EXAMPLES / "exporter.yaml").read_text("utf-8"))
    config["accounts"][0] |= {"base_url": base_url, "requests_per_second": 1000, "burst": 1000}
    config |= {"polling": [{**EVERY_SECOND, "mature": mature}], "zero_hold": "0s"}
    write_config(folder, json.dumps(config))


@contextlib.asynccontextmanager
async def exporting(
    folder: Path, refusals: Refusals | None = None, mature: str = "3s", **channels: ChannelProfile
) -> AsyncIterator[World]:
    """Run a simulated API whose channels fare like that, and the exporter for it, while the block lasts."""
    async with simulated(profile=Profile(channels=channels), refusals=refusals) as simulator:
        write_example_config(folder, simulator.url, mature)
        async with serving(folder, env={"SMSBAT_API_KEY": KEY}) as exporter:
            await exporter.ready()
            yield World(simulator, exporter, await exporter.api_url(), f"{await exporter.url()}/metrics")
    assert PHONE not in exporter.log


@pytest.mark.parametrize("language", NEEDED)
def test_what_the_examples_need_is_installed(language: str) -> None:
    if language not in INSTALLED:
        pytest.skip(f"the examples in {language} need {', '.join(NEEDED[language])}")


async def test_a_delivered_order_confirmation_exits_with_0(tmp_path: Path) -> None:
    async with exporting(tmp_path, viber_trans=soon()) as world:
        ended = await everywhere("order_confirmation", PHONE, "A-1001", url=world.url)
        assert world.sent == {"viber_trans": len(INSTALLED)}
    assert said(ended) == alike(0, "delivered\n")
    assert {each.errors for each in ended.values()} == {""}


async def test_an_order_confirmation_that_fails_on_both_channels_exits_with_1(tmp_path: Path) -> None:
    failing = soon(undeliverable=1.0)
    async with exporting(tmp_path, viber_trans=failing, sms=failing) as world:
        ended = await everywhere("order_confirmation", PHONE, "A-1001", url=world.url)
    assert said(ended) == alike(1, "undeliverable\n")


async def test_an_order_confirmation_that_is_open_when_the_time_is_over_exits_with_2(tmp_path: Path) -> None:
    async with exporting(tmp_path, viber_trans=NEVER) as world:
        ended = await everywhere("order_confirmation", PHONE, "A-1001", url=world.url, WAIT_SECONDS="2")
    assert said(ended) == alike(2, "open\n")


@pytest.mark.parametrize(
    ("use", "arguments"), [("order_confirmation", (PHONE, "A-1001")), ("one_time_password", (PHONE,))]
)
async def test_what_is_not_sent_exits_with_3_and_says_why(tmp_path: Path, use: str, arguments: tuple[str, ...]) -> None:
    async with exporting(tmp_path, Refusals(rejected=1.0)) as world:
        rejected = await everywhere(use, *arguments, url=world.url)
        refused = await everywhere(use, *arguments, url=world.url, SMSBAT_API_KEY="wrong")
        await world.simulator.close()
        unreachable = await everywhere(use, *arguments, url=world.url)
    gone = await everywhere(use, *arguments, url=world.url)
    for ended, why in ((rejected, "rejected"), (refused, "UNAUTHORIZED"), (unreachable, "unreachable"), (gone, "")):
        assert said(ended) == alike(3, "")
        assert all(re.search(rf"not sent, as far as is known: .*{why}", each.errors) for each in ended.values())


@pytest.mark.parametrize(
    ("use", "arguments"),
    [
        ("order_confirmation", (PHONE, "A-1001")),
        ("one_time_password", (PHONE,)),
        ("campaign", ("spring", "pyproject.toml")),
    ],
)
async def test_without_arguments_or_a_key_each_says_how_it_is_used(use: str, arguments: tuple[str, ...]) -> None:
    for ended in (
        await everywhere(use, url=NOBODY),
        await everywhere(use, *arguments, "one too many", url=NOBODY),
        await everywhere(use, *arguments, url=NOBODY, SMSBAT_API_KEY=""),
    ):
        assert said(ended) == alike(3, "")
        assert {each.errors.partition(use)[0] for each in ended.values()} == {"usage: SMSBAT_API_KEY=... "}


async def test_a_password_that_arrives_by_viber_is_sent_once(tmp_path: Path) -> None:
    async with exporting(tmp_path, viber_otp=soon()) as world:
        ended = await everywhere("one_time_password", PHONE, url=world.url)
        assert world.sent == {"viber_otp": len(INSTALLED)}
    assert said(ended) == alike(0, "viber_otp: delivered\n")


async def test_a_password_that_fails_by_viber_goes_by_sms_at_once(tmp_path: Path) -> None:
    async with exporting(tmp_path, viber_otp=soon(undeliverable=1.0), sms=soon()) as world:
        ended = await everywhere("one_time_password", PHONE, url=world.url)
        assert world.sent == {"viber_otp": len(INSTALLED), "sms": len(INSTALLED)}
    assert said(ended) == alike(0, "viber_otp: undeliverable\nsms: delivered\n")


async def test_a_password_that_has_not_arrived_within_the_wait_goes_by_sms(tmp_path: Path) -> None:
    async with exporting(tmp_path, viber_otp=NEVER, sms=soon()) as world:
        ended = await everywhere("one_time_password", PHONE, url=world.url, WAIT_SECONDS="5")
        assert world.sent == {"viber_otp": len(INSTALLED), "sms": len(INSTALLED)}
    assert said(ended) == alike(0, "viber_otp: open\nsms: delivered\n")


async def test_a_password_that_fails_both_ways_exits_with_1(tmp_path: Path) -> None:
    failing = soon(undeliverable=1.0)
    async with exporting(tmp_path, viber_otp=failing, sms=failing) as world:
        ended = await everywhere("one_time_password", PHONE, url=world.url)
    assert said(ended) == alike(1, "viber_otp: undeliverable\nsms: undeliverable\n")


async def test_a_password_that_arrives_by_viber_after_the_sms_was_sent_counts() -> None:
    async def course(language: str) -> None:
        async with listening() as listener:
            listener.ending = {2: "m1"}
            ended = await run_example("one_time_password", language, PHONE, url=listener.url, WAIT_SECONDS="1")
            first, second = listener.sent
        assert ended == (0, "viber_otp: open\nsms: open\ndelivered after all\n", ""), language
        assert (first["type"], second["type"], first["to"]) == ("viber_otp", "sms", PHONE)
        assert first["text"] == second["text"]
        assert re.match(r"\d{6} is your code", first["text"])

    await asyncio.gather(*map(course, INSTALLED))


async def test_a_wait_survives_a_restart_of_the_exporter() -> None:
    async def course(language: str) -> None:
        async with listening() as listener:
            listener.breaking = 1
            listener.answers = [error(503, "loading", "the exporter is starting; try again") for _ in range(2)]
            listener.ending = {1: "m1"}
            ended = await run_example("order_confirmation", language, PHONE, "A-1001", url=listener.url)
            assert (len(listener.sent), listener.asked["m1"]) == (1, 3), language
        assert ended[:2] == (0, "delivered\n"), language

    await asyncio.gather(*map(course, INSTALLED))


async def test_a_message_that_the_exporter_does_not_follow_is_not_waited_for() -> None:
    async def course(language: str) -> None:
        async with listening() as listener:
            listener.answers = [error(404, "unknown", "no such message is tracked or remembered")]
            ended = await run_example("order_confirmation", language, PHONE, "A-1001", url=listener.url)
            assert listener.asked["m1"] == 1
        assert ended[:2] == (2, "open\n"), language
        assert "no such message is tracked" in ended.errors

    await asyncio.gather(*map(course, INSTALLED))


def write_phones(folder: Path, count: int) -> str:
    """Write a file of phone numbers; return its path."""
    file = folder / "phones.txt"
    file.write_text("".join(f"3805011122{number:02}\n" for number in range(count)))
    return str(file)


async def campaign(world: World, phones: str, **env: str) -> Mapping[str, Ended]:
    """Run a campaign of its own for each language."""
    env = {"SMSBAT_EXPORTER_METRICS_URL": world.metrics_url, **env}
    return await everywhere("campaign", "spring-{}", phones, url=world.url, **env)


async def test_a_campaigns_delivery_rate_is_that_of_the_messages_that_it_sent(tmp_path: Path) -> None:
    phones = write_phones(tmp_path, 20)
    async with exporting(tmp_path, viber_promo=soon(undeliverable=0.3, share=0.8)) as world:
        delivered: Counter[str] = Counter()
        for _ in range(2):
            for language, ended in (await campaign(world, phones)).items():
                share = re.fullmatch(r"accepted 20 of 20\ndelivered (\d+) of 20: (\d+) %\n", ended.output)
                assert share is not None, ended
                assert (ended.code, ended.errors, int(share[2])) == (0, "", 100 * int(share[1]) // 20)
                delivered[language] += int(share[1])
            scrape = await world.exporter.scrape()
            assert delivered == {
                language: scrape.sum("smsbat_messages_matured_total", campaign=f"spring-{language}", result="delivered")
                for language in INSTALLED
            }
        truths = Counter(entry.life.truth.value for entry in world.simulator.ledger)
    assert truths.keys() == {"delivered", "undeliverable", "never"}
    assert delivered.total() == truths["delivered"]


async def test_a_campaign_that_is_not_judged_in_time_exits_with_2(tmp_path: Path) -> None:
    phones = write_phones(tmp_path, 3)
    async with exporting(tmp_path, mature="1h", viber_promo=NEVER) as world:
        ended = await campaign(world, phones, WAIT_SECONDS="1")
    assert said(ended) == alike(2, "accepted 3 of 3\n")


async def test_a_campaign_that_is_refused_or_cannot_be_measured_exits_with_3(tmp_path: Path) -> None:
    phones = write_phones(tmp_path, 3)
    async with exporting(tmp_path) as world:
        refused = await campaign(world, phones, SMSBAT_API_KEY="wrong")
        unmeasured = await campaign(world, phones, SMSBAT_EXPORTER_METRICS_URL=f"{world.url}/metrics")
        assert world.sent == {}
    assert said(refused) == said(unmeasured) == alike(3, "")
    assert all("UNAUTHORIZED" in each.errors for each in refused.values())
    assert all("404" in each.errors for each in unmeasured.values())


async def test_messages_that_smsbat_rejects_are_no_part_of_a_campaigns_rate(tmp_path: Path) -> None:
    phones = write_phones(tmp_path, 20)
    async with exporting(tmp_path, Refusals(rejected=0.3), viber_promo=soon()) as world:
        ended = await campaign(world, phones)
        accepted = world.sent["viber_promo"]
    found = [re.fullmatch(r"accepted (\d+) of 20\ndelivered \1 of \1: 100 %\n", each.output) for each in ended.values()]
    assert sum(int(match[1]) for match in found if match) == accepted < 20 * len(INSTALLED)

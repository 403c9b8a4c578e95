"""The files of deploy/compose on loopback: what the containers would do, and what Prometheus and Alertmanager say."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.composing import FOLDER, SERVICES, exporters_config_text, flags, mounted, mounts
from tests.integration.process import Exporter, spawn
from tests.integration.test_prometheus import free_port, promtool
from tests.otlp import collecting

ACCEPTED: Final = "smsbat_messages_accepted_total"
FINISHED: Final = "smsbat_messages_finished_total"
CAMPAIGNS: Final = {
    "login": {"viber_otp", "flashcall"},
    "orders": {"viber_trans"},
    "spring": {"viber_promo"},
    "reminders": {"sms"},
}


def files_of(service: str) -> dict[str, str]:
    """Return the variables of a service, with this machine's paths in place of the container's."""
    variables: dict[str, str] = SERVICES[service]["environment"]
    paths = {target: str(source) for target, source in mounts(service).items()}
    return {name: paths.get(value, value) for name, value in variables.items()}


@contextlib.asynccontextmanager
async def simulating(session: aiohttp.ClientSession, folder: Path) -> AsyncIterator[int]:
    """Run the service `smsbat` on a free port while the block lasts."""
    port = free_port()
    command = ("-m", "exporter", *SERVICES["smsbat"]["command"], f"--simulator.listen-address=127.0.0.1:{port}")
    async with spawn(session, folder, *command):
        yield port


@contextlib.asynccontextmanager
async def serving(session: aiohttp.ClientSession, folder: Path, smsbat: int, collector: str) -> AsyncIterator[Exporter]:
    """Run the service `exporter` while the block lasts."""
    text = exporters_config_text().replace(":10780", f":{smsbat}")
    (folder / "config.yaml").write_text(f"{text}\nzero_hold: 0s  # a minute is long for a test\n", "utf-8")
    given = {"config.file": "config.yaml", "api.listen-address": "127.0.0.1:0", "web.listen-address": "127.0.0.1:0"}
    assert flags("exporter").keys() <= given.keys()
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "SMSBAT_STORE_PATH": str(folder / "state.db"),
    }
    line = ("-m", "exporter", *(f"--{name}={value}" for name, value in given.items()))
    async with spawn(session, folder, *line, env=variables) as exporter:
        await exporter.ready()
        yield exporter


@contextlib.asynccontextmanager
async def sending(session: aiohttp.ClientSession, folder: Path, url: str) -> AsyncIterator[Exporter]:
    """Run the service `traffic` while the block lasts."""
    _, script = SERVICES["traffic"]["entrypoint"]
    variables = {**files_of("traffic"), "SMSBAT_URL": url}
    async with spawn(session, folder, str(mounted("traffic", script)), env=variables) as traffic:
        yield traffic


async def test_an_applications_messages_are_followed_to_their_ends_through_the_relay(tmp_path: Path) -> None:
    async with (
        aiohttp.ClientSession() as session,
        collecting() as collector,
        simulating(session, tmp_path) as smsbat,
        serving(session, tmp_path, smsbat, collector.url) as exporter,
        sending(session, tmp_path, await exporter.api_url()) as traffic,
    ):
        for campaign, channels in CAMPAIGNS.items():
            for channel in channels:
                await exporter.shows(
                    lambda it, label=campaign, channel=channel: (  # type: ignore[misc]
                        it.sum(FINISHED, account="shop", campaign=label, channel=channel, outcome="delivered") > 0
                    )
                )
        scrape = await exporter.scrape()
        assert scrape.sum("smsbat_exporter_intake_total", source="relay", result="accepted") == scrape.sum(ACCEPTED)
        assert scrape.sum(ACCEPTED, campaign="") == 0
        assert scrape.sum("smsbat_exporter_relay_untracked_total") == 0
        assert scrape.sum("smsbat_objective_messages_total", objective="otp-10s") > 0
        await collector.has(lambda it: bool(it.named("smsbat message")))
        await refuses(session, await exporter.api_url())
        assert await traffic.stop() == 0
        assert await exporter.stop() == 0
    assert traffic.log == ""


async def refuses(session: aiohttp.ClientSession, url: str) -> None:
    """Check that callers without the token, or by another name, are turned away."""
    token = (FOLDER / "secrets" / "exporter-token").read_text("utf-8").strip()
    by_name = {"Host": "exporter:10768", "X-Exporter-Token": token}
    for headers, expected in (
        (by_name, 200),
        ({"Host": "exporter:10768"}, 401),
        ({**by_name, "X-Exporter-Token": "guessed"}, 401),
        ({**by_name, "Host": "smsbat.example"}, 421),
    ):
        async with session.get(f"{url}/api/v1/messages", headers=headers) as answer:
            assert answer.status == expected, headers


async def test_traffic_says_why_it_cannot_send_and_goes_on(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with aiohttp.ClientSession() as session, sending(session, tmp_path, nowhere) as traffic:
        line = await traffic.logged("not sent, as far as is known: ")
        assert await traffic.runs_for(0)
        assert "demo-key" not in line
        assert await traffic.stop() == 0


async def test_faults_are_switched_on_and_off_by_the_script(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session, simulating(session, tmp_path) as smsbat:
        script = mounted("smsbat", "/demo/faults.py").read_text("utf-8")
        assert ":10780/" in script
        (tmp_path / "faults.py").write_text(script.replace(":10780/", f":{smsbat}/"), "utf-8")
        await answers(session, f"http://127.0.0.1:{smsbat}/_control/faults")
        assert '"status":401' in await said_by("faults.py", "401", folder=tmp_path)
        assert await said_by("faults.py", folder=tmp_path) == "[]\n"


async def answers(session: aiohttp.ClientSession, url: str) -> None:
    """Wait until a server listens."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url):
                    return


async def said_by(*command: str, folder: Path) -> str:
    """Run a script to its end; return its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_promtool_accepts_the_configuration_of_prometheus(tmp_path: Path) -> None:
    for target, source in mounts("prometheus").items():
        if isinstance(source, Path):
            (tmp_path / target.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tmp_path / target.lstrip("/"))
    config = tmp_path / flags("prometheus")["config.file"].lstrip("/")
    code, said = await promtool(tmp_path, "check", "config", "--lint-fatal", str(config))
    assert code == 0, said
    assert said.count("rules found") == 2


async def test_amtool_accepts_the_configuration_of_alertmanager() -> None:
    program = shutil.which("amtool")
    if program is None:
        pytest.skip("amtool is not installed")
    process = await asyncio.create_subprocess_exec(
        program, "check-config", str(FOLDER / "alertmanager.yaml"), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()

"""What needs more than Helm: promtool's judgement of the rules, and the exporter run as its pod would run it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.certificates import CLIENTS, TLS, USERS, established
from tests.charts import Document, configuration, exporter, rendered, the
from tests.integration.process import Exporter, spawn
from tests.integration.test_prometheus import promtool

TOKEN = "token-c41f"
FOLDERS = {
    "/etc/smsbat-exporter/": "config",
    "/etc/smsbat-exporter-web/": "web",
    "/run/secrets/smsbat/": "secret",
    "/var/lib/smsbat-exporter/": "state",
}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
RELOADED = {"web": {"enableLifecycle": True}}
MODES = ("central", "sidecar")

each_mode = pytest.mark.parametrize("mode", MODES)


@each_mode
async def test_promtool_finds_nothing_to_say_about_the_groups_of_the_rule(mode: str, tmp_path: Path) -> None:
    rule = the(rendered({"mode": mode, "prometheusRule": {"enabled": True}}), "PrometheusRule")
    (tmp_path / "groups.yaml").write_text(yaml.safe_dump(rule["spec"]), "utf-8")
    code, said = await promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "groups.yaml")
    assert code == 0, said


def laid_out(folder: Path, text: str) -> str:
    """Put paths of the pod below a folder, and listeners on free ports of loopback."""
    for path, name in FOLDERS.items():
        text = text.replace(path, f"{folder / name}/")
    for port in ("10767", "10768", "10769"):
        text = text.replace(f"=:{port}", "=127.0.0.1:0").replace(f"=127.0.0.1:{port}", "=127.0.0.1:0")
    return text


@asynccontextmanager
async def running(folder: Path, documents: list[Document]) -> AsyncIterator[Exporter]:
    """Run the container's command with its volumes in a folder, and call it as a kubelet does: nothing is verified."""
    for name in FOLDERS.values():
        (folder / name).mkdir()
    (folder / "config" / "config.yaml").write_text(laid_out(folder, configuration(documents)), "utf-8")
    (folder / "secret" / "api-key").write_text("made-up\n", "utf-8")
    (folder / "secret" / "api-token").write_text(f"{TOKEN}\n", "utf-8")
    established(folder / "web")
    (folder / "web" / "web-config.yml").write_text(TLS + CLIENTS + USERS, "utf-8")
    flags = [laid_out(folder, flag) for flag in exporter(documents)["args"]]
    kubelet = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
    async with kubelet, spawn(kubelet, folder, "-m", "exporter", *flags) as process:
        await process.ready()
        yield process
        assert await process.stop() == 0


@each_mode
async def test_the_exporter_runs_with_the_pods_flags_volumes_and_probes(mode: str, tmp_path: Path) -> None:
    documents = rendered({"mode": mode, **RELOADED})
    async with running(tmp_path, documents) as process:
        for probe in PROBES:
            assert (await process.get(exporter(documents)[probe]["httpGet"]["path"]))[0] == 200
        assert (await process.get("/-/reload", method="POST"))[0] == 200
    assert (tmp_path / "state" / "state.db").is_file()


@each_mode
async def test_behind_tls_the_probes_still_succeed_and_nothing_else_does(mode: str, tmp_path: Path) -> None:
    documents = rendered({"mode": mode, "web": {"existingConfigSecret": "web"}})
    async with running(tmp_path, documents) as process:
        for probe in PROBES:
            get = exporter(documents)[probe]["httpGet"]
            assert (await process.url()).startswith(f"{get['scheme'].lower()}://")
            assert (await process.get(get["path"]))[0] == 200
        assert (await process.get("/metrics"))[0] in {401, 403}


@pytest.mark.parametrize(
    ("mode", "host", "expected"),
    [
        ("central", "x-smsbat-exporter-api.smsbat.svc:10768", {"": 401, TOKEN: 200}),
        ("central", "x-smsbat-exporter-api.other.svc:10768", {TOKEN: 421}),
        ("sidecar", "127.0.0.1:10768", {"": 200}),
        ("sidecar", "x-smsbat-exporter-api.smsbat.svc:10768", {"": 421}),
    ],
)
async def test_the_api_answers_whom_it_should(mode: str, host: str, expected: dict[str, int], tmp_path: Path) -> None:
    async with running(tmp_path, rendered({"mode": mode})) as process, aiohttp.ClientSession() as session:
        url = f"{await process.api_url()}/api/v1/messages"
        for token, status in expected.items():
            async with session.get(url, headers={"Host": host, "X-Exporter-Token": token}) as response:
                assert response.status == status

"""What needs more than Helm: promtool's judgement of the rules, and the exporter run as its pod would run it."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.charts import Document, configuration, exporter, rendered, the
from tests.integration.process import spawn
from tests.integration.test_prometheus import promtool

TOKEN = "token-c41f"
FOLDERS = {"/etc/smsbat-exporter/": "config", "/run/secrets/smsbat/": "secret", "/var/lib/smsbat-exporter/": "state"}
RELEASES: dict[str, Document] = {
    "central": {"prometheusRule": {"enabled": True}, "web": {"enableLifecycle": True}},
    "sidecar": {"mode": "sidecar", "prometheusRule": {"enabled": True}, "web": {"enableLifecycle": True}},
}


@pytest.mark.parametrize("release", RELEASES)
async def test_promtool_finds_nothing_to_say_about_the_groups_of_the_rule(release: str, tmp_path: Path) -> None:
    rule = the(rendered(RELEASES[release]), "PrometheusRule")
    (tmp_path / "groups.yaml").write_text(yaml.safe_dump(rule["spec"]), "utf-8")
    code, said = await promtool(tmp_path, "check", "rules", "--lint=all", "--lint-fatal", "groups.yaml")
    assert code == 0, said


def laid_out(folder: Path, text: str) -> str:
    """Put paths of the pod below a folder, and ports on loopback, where any is free."""
    for path, name in FOLDERS.items():
        text = text.replace(path, f"{folder / name}/")
    for port in ("10767", "10768", "10769"):
        text = text.replace(f"=:{port}", "=127.0.0.1:0").replace(f"=127.0.0.1:{port}", "=127.0.0.1:0")
    return text


@pytest.mark.parametrize("release", RELEASES)
async def test_the_exporter_runs_with_the_pods_flags_mounts_and_probes(release: str, tmp_path: Path) -> None:
    documents = rendered(RELEASES[release])
    for name in FOLDERS.values():
        (tmp_path / name).mkdir()
    (tmp_path / "config" / "config.yaml").write_text(laid_out(tmp_path, configuration(documents)), "utf-8")
    (tmp_path / "secret" / "api-key").write_text("made-up\n", "utf-8")
    (tmp_path / "secret" / "api-token").write_text(f"{TOKEN}\n", "utf-8")
    container = exporter(documents)
    flags = [laid_out(tmp_path, flag) for flag in container["args"]]
    async with aiohttp.ClientSession() as session, spawn(session, tmp_path, "-m", "exporter", *flags) as process:
        await process.ready()
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert (await process.get(container[probe]["httpGet"]["path"]))[0] == 200
        assert (await process.get("/-/reload", method="POST"))[0] == 200
        url = f"{await process.api_url()}/api/v1/messages"
        async with session.get(url) as response:
            assert response.status == (401 if release == "central" else 200)
        host = "x-smsbat-exporter-api.smsbat.svc:10768"
        async with session.get(url, headers={"Host": host, "X-Exporter-Token": TOKEN}) as response:
            assert response.status == (200 if release == "central" else 421)
        assert await process.stop() == 0
    assert (tmp_path / "state" / "state.db").is_file()

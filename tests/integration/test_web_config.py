"""TLS, users and probes as Prometheus, its linter and a kubelet meet them, with the process of every day."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.certificates import CLIENTS, HASH, PASSWORD, TLS, USER, USERS, Authority, established, written
from tests.integration.configs import account, config
from tests.integration.process import Exporter, run, serving, write_config
from tests.integration.test_prometheus import promtool, scraping

NOWHERE: Final = "http://127.0.0.1:1"
WEB: Final = "--web.config.file=web.yml"
OVER_TLS: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: smsbat
    scheme: https
    tls_config: {{ca_file: ca.pem, cert_file: client.pem, key_file: client-key.pem}}
    basic_auth: {{username: %s, password: %s}}
    static_configs: [{{targets: ['{target}']}}]
  - job_name: without-certificate
    scheme: https
    tls_config: {{ca_file: ca.pem}}
    basic_auth: {{username: %s, password: %s}}
    static_configs: [{{targets: ['{target}']}}]
  - job_name: without-user
    scheme: https
    tls_config: {{ca_file: ca.pem, cert_file: client.pem, key_file: client-key.pem}}
    static_configs: [{{targets: ['{target}']}}]
""" % ((USER, PASSWORD) * 2)
NO_HASH: Final = "must be a bcrypt hash such as `htpasswd -nB` prints after the colon, not a password"
SANS: Final = "  client_allowed_sans: [prometheus.monitoring.svc]\n"
EVERYTHING: Final = (
    TLS + CLIENTS + SANS + "  min_version: TLS12\n  max_version: TLS13\n"
    "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n  prefer_server_cipher_suites: true\n"
    "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    X-Content-Type-Options: nosniff\n"
    "    X-XSS-Protection: '0'\n    Content-Security-Policy: default-src 'none'\n"
    "    Strict-Transport-Security: max-age=31536000\n" + USERS
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    write_config(tmp_path, config([account(NOWHERE)]))
    return established(tmp_path)


@asynccontextmanager
async def protected(folder: Path, text: str) -> AsyncIterator[tuple[Exporter, str]]:
    """Run it with a web configuration; give it with the host and port of its web listener."""
    written(folder, text)
    async with serving(folder, WEB) as exporter:
        url = await exporter.ready()
        assert url.startswith("https://")
        yield exporter, url.removeprefix("https://")


async def get(url: str, tls: ssl.SSLContext, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Ask over a connection of its own."""
    connector = aiohttp.TCPConnector(ssl=tls)
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_prometheus_takes_the_same_file_for_its_own(authority: Authority) -> None:
    # Debian's promtool is older than the names that clients may have.
    written(authority.folder, EVERYTHING.replace(SANS, ""))
    code, said = await promtool(authority.folder, "check", "web-config", "web.yml")
    assert (code, said) == (0, "web.yml SUCCESS\n")
    code, said, _ = await run(authority.folder, "check", "--config.file=config.yaml", WEB)
    assert (code, said.splitlines()) == (
        0,
        ["web.yml: the web configuration is valid", "config.yaml: the configuration is valid"],
    )
    assert await run(authority.folder, "check", WEB) == (0, "web.yml: the web configuration is valid\n", "")
    half = {"SMSBAT_USERNAME": "me"}
    code, said, _ = await run(authority.folder, "check", WEB, env=half)
    assert (code, said.startswith("environment: set either SMSBAT_API_KEY")) == (1, True)


async def test_prometheus_scrapes_over_mutual_tls_as_a_user_while_certificates_change(authority: Authority) -> None:
    async with (
        protected(authority.folder, EVERYTHING) as (exporter, target),
        scraping(authority.folder, target, prometheus_config=OVER_TLS) as prometheus,
    ):
        scraped = 'smsbat_exporter_build_info{job="smsbat"}'
        await prometheus.has(scraped, lambda samples: len(samples) == 1)
        refused = 'up{job=~"without-.*"} == 0'
        await prometheus.has(refused, lambda _: True)
        authority.issue("server", "localhost", "127.0.0.1")
        authority.issue("client", "prometheus.monitoring.svc")
        before = max((await prometheus.samples("timestamp(up)")).values())
        later = f'up{{job="smsbat"}} == 1 and timestamp(up{{job="smsbat"}}) > {before + 2}'
        await prometheus.has(later, lambda samples: len(samples) == 1)
        failed = 'min_over_time(up{job="smsbat"}[1m]) == 0'
        assert await prometheus.samples(failed) == {}, "no scrape was lost"
        assert await prometheus.samples('max_over_time(up{job=~"without-.*"}[1m]) == 1') == {}
        assert "the web configuration is read again" in exporter.log
        assert PASSWORD not in exporter.log
        assert HASH not in exporter.log


async def test_a_kubelet_reaches_the_probes_which_say_what_is_wrong_with_the_file(authority: Authority) -> None:
    kubelet = ssl.create_default_context()  # verifies nothing, and has no certificate
    kubelet.check_hostname = False
    kubelet.verify_mode = ssl.CERT_NONE
    async with protected(authority.folder, TLS + CLIENTS + USERS) as (exporter, target):
        assert (await get(f"https://{target}/-/ready", kubelet))[0] == 200
        assert (await get(f"https://{target}/metrics", kubelet))[0] == 403
        written(authority.folder, TLS.replace("server-key", "client-key"))
        status, said = await get(f"https://{target}/-/healthy", kubelet)
        assert status == 200
        assert "web.yml:3:13: tls_server_config.key_file: does not belong to the certificate" in said
        assert (await get(f"https://{target}/metrics", kubelet))[0] == 403, "it did not open"
        code, said, _ = await run(authority.folder, "health", f"--web.listen-address={target}")
        assert code == 0
        assert "does not belong to the certificate" in said
        assert await exporter.stop() == 0


async def test_an_empty_file_protects_nothing_as_in_prometheus(authority: Authority) -> None:
    written(authority.folder, "")
    assert (await promtool(authority.folder, "check", "web-config", "web.yml"))[0] == 0
    assert (await run(authority.folder, "check", WEB))[0] == 0
    async with serving(authority.folder, WEB) as exporter:
        assert (await exporter.ready()).startswith("http://")
        assert (await exporter.get("/metrics"))[0] == 200


async def test_a_wrong_file_is_refused_at_the_start_with_all_that_is_wrong(authority: Authority) -> None:
    written(authority.folder, TLS.replace("server-key.pem", "gone.pem") + f"basic_auth_users: {{me: {PASSWORD}}}\n")
    code, output, errors = await run(
        authority.folder, "--config.file=config.yaml", WEB, "--web.listen-address=127.0.0.1:0"
    )
    assert (code, output) == (1, "")
    assert errors.splitlines() == [
        "web.yml:3:13: tls_server_config.key_file: cannot be read: No such file or directory",
        f"web.yml:4:24: basic_auth_users.me: {NO_HASH}",
    ]
    assert not (authority.folder / "state.db").exists()
    checked = await run(authority.folder, "check", "--config.file=config.yaml", WEB)
    assert checked == (1, errors, "")


async def test_the_demo_takes_the_same_flag(authority: Authority) -> None:
    written(authority.folder, "tls_server_config: {}\n")
    code, _, errors = await run(authority.folder, "demo", WEB, "--web.listen-address=127.0.0.1:0")
    assert code == 1
    assert re.search(r"^web\.yml:1:1: tls_server_config\.cert: is needed", errors, re.MULTILINE)

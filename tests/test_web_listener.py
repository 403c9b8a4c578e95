"""The web listener on a real port, seen by a real client."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from msgspec.structs import replace
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from exporter.web.addresses import Address, parse
from exporter.web.listener import Front, start
from exporter.web.server import ListenError, Server
from exporter.web.status import StatusPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from prometheus_client import Metric

LOOPBACK = Address("127.0.0.1", 0)


class OneGauge:
    """A snapshot of one gauge."""

    def collect(self) -> Iterable[Metric]:
        """Give the gauge."""
        return [GaugeMetricFamily("smsbat_store_up", "Up.", 1)]


class Reloads:
    """Counts the reloads and answers each with the same errors."""

    def __init__(self, *errors: str) -> None:
        self.errors = errors
        self.count = 0

    async def __call__(self) -> Sequence[str]:
        self.count += 1
        return self.errors


async def loading() -> StatusPage:
    return StatusPage(version="1.2.3", ready=False, problems=("starting <soon>",), tracking=None)


WELL = Front(
    snapshot=OneGauge,
    problems=tuple,
    is_ready=lambda: True,
    reload=Reloads(),
    lifecycle_enabled=True,
    status=loading,
)


def unwell(*problems: str) -> Front:
    return replace(WELL, problems=lambda: problems)


def port_of(server: Server) -> int:
    assert isinstance(server.address, Address)
    return server.address.port


@asynccontextmanager
async def listening(shown: Front) -> AsyncIterator[aiohttp.ClientSession]:
    server = await start(shown, LOOPBACK)
    try:
        async with aiohttp.ClientSession(server.url) as session:
            yield session
    finally:
        await server.close()


async def test_metrics_are_served_with_those_of_the_process() -> None:
    async with listening(WELL) as session, session.get("/metrics") as answer:
        names = {family.name for family in text_string_to_metric_families(await answer.text())}
    assert {"smsbat_store_up", "python_info", "python_gc_collections"} <= names


async def test_healthy_says_so() -> None:
    async with listening(WELL) as session, session.get("/-/healthy") as answer:
        assert (answer.status, await answer.text()) == (200, "smsbat-exporter is healthy\n")


async def test_healthy_answers_200_and_names_what_is_wrong_a_line_each() -> None:
    shown = unwell("store: no space left on device", "account main: unauthorized")
    async with listening(shown) as session, session.get("/-/healthy") as answer:
        lines = "store: no space left on device\naccount main: unauthorized\n"
        assert (answer.status, await answer.text()) == (200, lines)


@pytest.mark.parametrize(("is_ready", "status", "body"), [(True, 200, "ready\n"), (False, 503, "not ready: loading\n")])
async def test_ready_follows_the_application(is_ready: bool, status: int, body: str) -> None:  # noqa: FBT001
    async with listening(replace(WELL, is_ready=lambda: is_ready)) as session, session.get("/-/ready") as answer:
        assert (answer.status, await answer.text()) == (status, body)


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready"])
async def test_head_is_answered_without_a_body(path: str) -> None:
    async with listening(WELL) as session, session.head(path) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_reload_is_forbidden_unless_enabled(method: str) -> None:
    reloads = Reloads()
    shown = replace(WELL, lifecycle_enabled=False, reload=reloads)
    async with listening(shown) as session, session.request(method, "/-/reload") as answer:
        assert (answer.status, await answer.text()) == (403, "Lifecycle API is not enabled.\n")
    assert reloads.count == 0


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_reload_reloads_once(method: str) -> None:
    reloads = Reloads()
    async with listening(replace(WELL, reload=reloads)) as session, session.request(method, "/-/reload") as answer:
        assert answer.status == 200
    assert reloads.count == 1


async def test_a_failed_reload_gives_every_error() -> None:
    shown = replace(WELL, reload=Reloads("c.yaml:3:1: polling: must be a list", "c.yaml:9:5: window: no duration"))
    async with listening(shown) as session, session.post("/-/reload") as answer:
        assert answer.status == 500
        assert (await answer.text()).splitlines() == [
            "failed to reload config:",
            "c.yaml:3:1: polling: must be a list",
            "c.yaml:9:5: window: no duration",
        ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_reload_takes_no_other_method(method: str) -> None:
    reloads = Reloads()
    async with listening(replace(WELL, reload=reloads)) as session, session.request(method, "/-/reload") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST,PUT"
    assert reloads.count == 0


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "/-/", "/metrics/../etc/passwd", "/%2e%2e/x"])
async def test_an_unknown_path_is_404_in_plain_text(path: str) -> None:
    async with listening(WELL) as session, session.get(path) as answer:
        assert (answer.status, answer.content_type) == (404, "text/plain")


async def test_the_status_page_is_html_that_nobody_keeps_and_its_links_work() -> None:
    async with listening(WELL) as session, session.get("/") as answer:
        page = await answer.text()
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/html", "utf-8")
        assert answer.headers["Cache-Control"] == "no-store"
        assert "1.2.3" in page
        assert "starting &lt;soon&gt;" in page
        links = re.findall(r'href="([^"]+)"', page)
        assert links == ["/metrics", "/-/healthy", "/-/ready"]
        for link in links:
            async with session.get(link) as linked:
                assert linked.status == 200


async def test_the_status_page_may_load_nothing_but_its_own_style() -> None:
    async with listening(WELL) as session, session.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        style = re.search(r"<style>(.*)</style>", await answer.text(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/reload", "/nothing"])
async def test_no_answer_names_a_version_or_lets_its_type_be_guessed(path: str) -> None:
    async with listening(WELL) as session, session.get(path) as answer:
        assert answer.headers["Server"] == "smsbat-exporter"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", ["127.0.0.1:0", "localhost:0", ":0"])
async def test_port_0_takes_a_free_one_that_the_url_names(text: str) -> None:
    server = await start(WELL, parse(text))
    try:
        assert server.url == f"http://{parse(text).host or 'localhost'}:{port_of(server)}"
        async with aiohttp.ClientSession() as session, session.get(server.url + "/-/ready") as answer:
            assert answer.status == 200
    finally:
        await server.close()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_no_host_listens_on_ipv4_and_ipv6(host: str) -> None:
    server = await start(WELL, parse(":0"))
    try:
        url = f"http://{host}:{port_of(server)}/-/ready"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
    finally:
        await server.close()


async def test_an_address_in_use_is_an_error_that_names_it_and_its_flag() -> None:
    server = await start(WELL, LOOPBACK)
    try:
        with pytest.raises(ListenError) as raised:
            await start(WELL, Address("127.0.0.1", port_of(server)))
    finally:
        await server.close()
    taken = f"127.0.0.1:{port_of(server)}"
    assert str(raised.value) == f"cannot listen on {taken} (--web.listen-address): Address already in use"


async def test_a_host_that_is_not_ours_is_an_error_that_names_it() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0 \(--web\.listen-address\): "):
        await start(WELL, parse("192.0.2.1:0"))


async def test_an_interface_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on \[fe80::1%none\]:0 \(--web\.listen-address\): "):
        await start(WELL, parse("[fe80::1%none]:0"))


async def test_a_closed_listener_gives_its_port_back() -> None:
    first = await start(WELL, LOOPBACK)
    await first.close()
    second = await start(WELL, Address("127.0.0.1", port_of(first)))
    await second.close()
    assert port_of(second) == port_of(first)

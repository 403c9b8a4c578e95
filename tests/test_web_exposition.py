"""/metrics over a real server, read back with the client library's own parsers."""

from __future__ import annotations

import asyncio
import gzip
import threading
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Exemplar

from exporter.web.exposition import Exposition, runtime_collectors
from exporter.web.negotiation import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.registry import Collector

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"

# The library leaves this one without types.
parse_openmetrics: Callable[[str], Iterable[Metric]] = openmetrics_parser.text_string_to_metric_families

Client = TestClient[web.Request, web.Application]


class Shown:
    """A snapshot of a counter with awkward labels, a gauge and a histogram with an exemplar."""

    def collect(self) -> Iterable[Metric]:
        """Give the three families."""
        finished = CounterMetricFamily("smsbat_messages_finished", "Ended.", labels=["channel"])
        finished.add_metric(["sms"], 3)
        finished.add_metric(['quote " slash \\ line \n ї'], 1)
        time_to_delivery = HistogramMetricFamily("smsbat_time_to_delivery_seconds", "Time.")
        exemplar = Exemplar({"trace_id": TRACE_ID}, 4.0, 1_769_000_000.5)
        time_to_delivery.add_metric([], [("5.0", 1, exemplar), ("+Inf", 2)], 14.0)
        return [finished, GaugeMetricFamily("smsbat_store_up", "Up.", 1), time_to_delivery]

    describe = collect


class Nothing:
    """A snapshot without metrics."""

    def collect(self) -> Iterable[Metric]:
        """Give nothing."""
        return ()


def client_of(
    snapshot: Callable[[], Collector], runtime: Collector | None = None, *, auto_decompress: bool = True
) -> Client:
    app = web.Application()
    app.router.add_get("/metrics", Exposition(snapshot, runtime or Nothing()).scrape)
    return TestClient(TestServer(app), auto_decompress=auto_decompress)


async def body_of(answer: aiohttp.ClientResponse) -> str:
    assert answer.status == 200
    return (await answer.read()).decode()


def samples(families: Iterable[Metric]) -> set[tuple[str, float]]:
    return {(sample.name, sample.value) for family in families for sample in family.samples}


async def test_text_is_the_default_and_reads_back_without_exemplars() -> None:
    async with client_of(Shown) as client, client.get("/metrics") as answer:
        body = await body_of(answer)
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert ("smsbat_messages_finished_total", 3) in samples(parse_text(body))
    assert TRACE_ID not in body
    assert "# EOF" not in body


async def test_openmetrics_carries_exemplars_and_awkward_labels_and_ends_with_eof() -> None:
    async with client_of(Shown) as client, client.get("/metrics", headers=OPENMETRICS) as answer:
        body = await body_of(answer)
        assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in parse_openmetrics(body)}
    bucket = families["smsbat_time_to_delivery_seconds"].samples[0]
    assert bucket.exemplar is not None
    assert bucket.exemplar.labels == {"trace_id": TRACE_ID}
    assert families["smsbat_messages_finished"].samples[1].labels == {"channel": 'quote " slash \\ line \n ї'}
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize("version", ["2.0.0", "abc", "99"])
async def test_a_version_we_do_not_write_is_answered_with_text(version: str) -> None:
    headers = {"Accept": f"application/openmetrics-text;version={version}"}
    async with client_of(Shown) as client, client.get("/metrics", headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == Format.TEXT.value


async def test_several_accept_headers_are_read_as_one() -> None:
    headers = [("Accept", "text/plain;q=0.1"), ("Accept", "application/openmetrics-text")]
    async with client_of(Shown) as client, client.get("/metrics", headers=headers) as answer:
        assert answer.headers["Content-Type"] == Format.OPENMETRICS.value


async def test_gzip_is_sent_to_those_who_accept_it() -> None:
    async with client_of(Shown, auto_decompress=False) as client:
        async with client.get("/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
            packed = await answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
            assert answer.headers["Content-Length"] == str(len(packed))
        async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
            assert "Content-Encoding" not in answer.headers
            assert gzip.decompress(packed) == await answer.read()


async def test_caches_are_told_what_the_answer_depends_on() -> None:
    async with client_of(Shown) as client, client.get("/metrics") as answer:
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    "names",
    [
        ["smsbat_messages_finished_total"],
        ["smsbat_store_up", "smsbat_time_to_delivery_seconds_bucket"],
        ["smsbat_messages_finished"],
        ["no_such_metric"],
        [""],
        ["", "smsbat_store_up"],
    ],
)
async def test_names_restrict_as_in_the_client_library(names: list[str]) -> None:
    registry = CollectorRegistry()
    registry.register(Shown())
    kept = [name for name in names if name]
    expected = generate_latest(registry.restricted_registry(kept) if kept else registry).decode()
    params = [("name[]", name) for name in names]
    async with client_of(Shown) as client, client.get("/metrics", params=params) as answer:
        assert sorted((await body_of(answer)).splitlines()) == sorted(expected.splitlines())


async def test_the_metrics_of_the_process_are_shown_and_can_be_chosen() -> None:
    async with client_of(Shown, runtime_collectors()) as client:
        async with client.get("/metrics", headers=OPENMETRICS) as answer:
            found = {name for name, _ in samples(parse_openmetrics(await body_of(answer)))}
        async with client.get("/metrics", params={"name[]": "python_info"}) as answer:
            chosen = {name for name, _ in samples(parse_text(await body_of(answer)))}
    assert {"smsbat_store_up", "python_info", "python_gc_collections_total"} <= found
    assert chosen == {"python_info"}


async def test_head_gives_the_headers_of_get_and_no_body() -> None:
    async with client_of(Shown) as client:
        async with client.get("/metrics") as answer:
            headers = {name: value for name, value in answer.headers.items() if name != "Date"}
        async with client.head("/metrics") as answer:
            assert answer.status == 200
            assert {name: value for name, value in answer.headers.items() if name != "Date"} == headers
            assert int(headers["Content-Length"]) > 0
            assert await answer.read() == b""


class Watched:
    """A collector that notes its threads and stops each render until it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.started = threading.Semaphore(0)
        self.threads: list[int] = []
        self.snapshots: list[int] = []

    def snapshot(self) -> Watched:
        """Note who asks."""
        self.snapshots.append(threading.get_ident())
        return self

    def collect(self) -> Iterable[Metric]:
        """Note who renders, and wait."""
        self.threads.append(threading.get_ident())
        self.started.release()
        assert self.let_go.wait(timeout=30)
        return ()


async def test_two_render_at_a_time_in_threads_and_the_third_waits_for_its_snapshot() -> None:
    watched = Watched()
    async with client_of(watched.snapshot) as client:
        scrapes = [asyncio.ensure_future(client.get("/metrics")) for _ in range(3)]
        await asyncio.to_thread(lambda: [watched.started.acquire(timeout=30) for _ in range(2)])
        async with client.head("/no-such-page"):
            assert len(watched.snapshots) == 2
        watched.let_go.set()
        assert [answer.status for answer in await asyncio.gather(*scrapes)] == [200, 200, 200]
    loop_thread = threading.get_ident()
    assert watched.snapshots == [loop_thread] * 3
    assert loop_thread not in watched.threads

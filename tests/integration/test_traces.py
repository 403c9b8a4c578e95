"""Traces of the real process, as a collector on loopback takes them, or does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from exporter import __version__
from tests.integration.configs import KEY, account, config
from tests.integration.process import PATIENCE_SECONDS, SERVE, Exporter, serving, spawn, write_config
from tests.integration.simulated import delivered_after, simulated
from tests.integration.test_prometheus import Prometheus, scraping
from tests.integration.test_relay import OWN, PHONE, PROFILE, TEXT, Shop
from tests.integration.test_shutdown import WITHIN_SECONDS
from tests.otlp import ANGRY, Collector, Mode, Span, Value, collecting

MESSAGE: Final = "smsbat message"
POLL: Final = "GET /bat/message/{messageId}"
SPANS: Final = "smsbat_exporter_spans_total"
FINISHED: Final = "smsbat_messages_finished_total"
POLLS: Final = "smsbat_exporter_polls_total"
TOKEN: Final = "token-77aa10"
CLIENT: Final = 3
"""SPAN_KIND_CLIENT of OTLP."""


def parent(trace: int, *, sampled: bool = True) -> str:
    """Return the traceparent of a span of the caller's."""
    return f"00-{trace:032x}-{trace + 1:016x}-0{int(sampled)}"


def exporting(collector: Collector, **more: str) -> dict[str, str]:
    """Return the variables that send every sampled span to a collector at once."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "10",
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        **more,
    }


async def post(exporter: Exporter, *messages: Mapping[str, object], **headers: str) -> None:
    """Hand messages in over the API."""
    await exporter.ready()
    url = f"{await exporter.api_url()}/api/v1/messages"
    async with aiohttp.ClientSession() as session, session.post(url, json=list(messages), headers=headers) as answer:
        assert (answer.status, (await answer.json())["accepted"]) == (202, len(messages))


async def known(exporter: Exporter, message_id: str, query: str = "") -> Any:  # noqa: ANN401
    """Return what the API says of a message."""
    await exporter.ready()
    url = f"{await exporter.api_url()}/api/v1/messages/{message_id}{query}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.json()


async def ended(exporter: Exporter, message_id: str) -> Any:  # noqa: ANN401
    """Wait until a message has ended; return what the API says of it."""
    found = await known(exporter, message_id, "?wait=30s")
    assert found["final"]
    return found


def sent_now() -> tuple[float, str]:
    """Return now to the millisecond, in Unix seconds and as the API takes it."""
    at = round(time.time(), 3)
    return at, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{round(at * 1000) % 1000:03d}Z"


def of(collector: Collector, name: str, message_id: str) -> list[Span]:
    """Return the spans of this name about a message."""
    return [span for span in collector.named(name) if span.attributes["messaging.message.id"] == message_id]


def statuses(collector: Collector, message_id: str) -> list[Value]:
    """Return what the calls about a message told."""
    return [poll.attributes.get("status", "") for poll in of(collector, POLL, message_id)]


async def the_message(collector: Collector, message_id: str) -> Span:
    """Wait for a message's span and that of the call that ended it; return the only one of the message."""
    await collector.has(lambda it: bool(of(it, MESSAGE, message_id)) and "delivered" in statuses(it, message_id))
    (span,) = of(collector, MESSAGE, message_id)
    return span


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_trace_is_whole_across_a_restart_in_mid_flight(tmp_path: Path, how: str) -> None:
    async with simulated() as simulator, collecting() as collector:
        write_config(tmp_path, config([account(simulator.url)]))
        sent_at, written = sent_now()
        for each in ("msg-1", "msg-2"):
            simulator.add(each, sent_at=sent_at, life=delivered_after(5.0))
        async with serving(tmp_path, env=exporting(collector)) as exporter:
            await post(exporter, {"messageId": "msg-1", "sentAt": written, "traceparent": parent(10)})
            await post(exporter, {"messageId": "msg-2", "sentAt": written})
            await collector.has(lambda it: all(len(of(it, POLL, each)) >= 2 for each in ("msg-1", "msg-2")))
            before = {each: (await known(exporter, each))["traceId"] for each in ("msg-1", "msg-2")}
            assert collector.named(MESSAGE) == []
            await (exporter.kill() if how == "kill" else exporter.stop())
        async with serving(tmp_path, "--log.level=debug", env=exporting(collector)) as exporter:
            for each in ("msg-1", "msg-2"):
                told = await ended(exporter, each)
                span = await the_message(collector, each)
                assert told["traceId"] == before[each] == span.trace_id
                is_whole(span, of(collector, POLL, each), told, sent_at, nothing_lost=how == "stop")
                assert f"trace_id={span.trace_id}" in await exporter.logged(f"id={each}")
            assert await exporter.stop() == 0
        child, own = await the_message(collector, "msg-1"), await the_message(collector, "msg-2")
        assert (child.trace_id, child.parent_id) == (f"{10:032x}", f"{11:016x}")
        assert own.parent_id == ""


def is_whole(span: Span, polls: list[Span], told: Any, sent_at: float, *, nothing_lost: bool) -> None:  # noqa: ANN401
    """Check that calls are below their message's span, and that it has its true start and end."""
    assert {poll.trace_id for poll in polls} == {span.trace_id}
    assert {poll.parent_id for poll in polls} == {span.span_id}
    assert {poll.kind for poll in polls} == {CLIENT}
    assert len({poll.span_id for poll in polls}) == len(polls)
    # A call whose span was on its way is gone with a killed process.
    assert len(polls) == told["polls"] if nothing_lost else 3 <= len(polls) <= told["polls"]
    assert span.started_at == pytest.approx(sent_at, abs=1e-5)
    assert span.ended_at == pytest.approx(sent_at + told["timeToDelivery"]["upperBound"], abs=1e-5)
    assert span.ended_at == pytest.approx(max(poll.ended_at for poll in polls), abs=1e-5)
    assert [(name, attributes) for name, _, attributes in span.events] == [
        ("status", {"status": "processing"}),
        ("status", {"status": "delivered"}),
    ]
    first, last = (at for _, at, _ in span.events)
    assert min(poll.started_at for poll in polls) <= first <= last == span.ended_at
    assert (span.attributes["outcome"], span.attributes["cost"]) == ("delivered", 0.05)


async def test_the_parent_comes_by_header_by_body_and_through_the_relay_and_no_secret_leaves(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    async with simulated(profile=PROFILE) as simulator, collecting() as collector:
        for each in ("by-header", "by-body"):
            simulator.add(each, life=delivered_after(1.0))
        text = config([account(simulator.url, webhook_token_file="token")], relay={}, api={"token_file": "token"})
        write_config(tmp_path, text)
        secret = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20collectors-secret"}
        async with (
            serving(tmp_path, "--log.level=debug", env=exporting(collector, **secret)) as exporter,
            aiohttp.ClientSession() as session,
        ):
            allowed = {"X-Exporter-Token": TOKEN}
            await post(exporter, {"messageId": "by-header"}, traceparent=parent(10), **allowed)
            inside = {"messageId": "by-body", "traceparent": parent(20)}
            await post(exporter, inside, traceparent=parent(10), **allowed)
            headers = {**OWN, **allowed, "traceparent": parent(30), "X-Smsbat-Labels": "campaign=private-campaign"}
            (relayed,) = await Shop(exporter, session, simulator).send({}, headers=headers)
            for each, trace in (("by-header", 10), ("by-body", 20), (relayed, 30)):
                span = await the_message(collector, each)
                assert (span.trace_id, span.parent_id) == (f"{trace:032x}", f"{trace + 1:016x}")
                assert {poll.parent_id for poll in of(collector, POLL, each)} == {span.span_id}
            assert await exporter.stop() == 0
        sent = b"".join(collector.bodies)
        for word in (KEY, TOKEN, PHONE, PHONE.lstrip("+"), TEXT, "private-campaign", "collectors-secret"):
            assert word.encode() not in sent
        assert collector.headers[0]["authorization"] == "Bearer collectors-secret"
        assert "collectors-secret" not in exporter.log
        assert "/v1/traces" not in exporter.log


async def test_spans_have_the_stable_attributes_of_http(tmp_path: Path) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        port, base = int(simulator.url.rpartition(":")[2]), simulator.url
        async with serving(tmp_path, env=exporting(collector)) as exporter:
            await post(exporter, {"messageId": "msg-1", "channel": "viber_otp"})
            await the_message(collector, "msg-1")
    (poll,) = of(collector, POLL, "msg-1")
    assert poll.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"{base}/bat/message/msg-1",
        "messaging.system": "smsbat",
        "messaging.message.id": "msg-1",
        "account": "main",
        "result": "changed",
        "status": "delivered",
    }
    (span,) = of(collector, MESSAGE, "msg-1")
    assert span.attributes.keys() == {
        *("messaging.system", "messaging.message.id", "account", "channel", "outcome", "fallback", "cost", "polls"),
        *("via", "time_to_delivery.lower_bound", "time_to_delivery.upper_bound"),
    } | (span.attributes.keys() & {"parts"})


@pytest.mark.parametrize("ratio", [0.0, 1.0])
async def test_a_parent_decides_whatever_the_ratio(tmp_path: Path, ratio: float) -> None:
    async with simulated() as simulator, collecting() as collector:
        for each in ("sampled", "unsampled", "without", "last"):
            simulator.add(each, life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)], tracing={"enabled": True, "sample_ratio": ratio}))
        async with serving(tmp_path, env=exporting(collector, OTEL_TRACES_SAMPLER="")) as exporter:
            await post(
                exporter,
                {"messageId": "sampled", "traceparent": parent(10)},
                {"messageId": "unsampled", "traceparent": parent(20, sampled=False)},
                {"messageId": "without"},
            )
            assert (await ended(exporter, "unsampled"))["traceId"] == f"{20:032x}"
            assert ((await ended(exporter, "without"))["traceId"] is not None) == (ratio == 1.0)
            await ended(exporter, "sampled")
            assert await exporter.stop() == 0
    ids = {span.attributes["messaging.message.id"] for span in collector.spans}
    assert ids == {"sampled", "without"} if ratio else {"sampled"}


@pytest.mark.parametrize(
    ("given", "path", "resource"),
    [
        ({}, "/v1/traces", {"service.name": "smsbat-exporter", "service.version": __version__}),
        (
            {
                "OTEL_SERVICE_NAME": "sms",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=other,k8s.pod.name=pod-1,k8s.namespace.name=shop%20one",
            },
            "/v1/traces",
            {"service.name": "sms", "k8s.pod.name": "pod-1", "k8s.namespace.name": "shop one"},
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine,service.version=7"},
            "/v1/traces",
            {"service.name": "mine", "service.version": "7"},
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{url}/own/path"}, "/own/path", {}),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}/base/"}, "/base/v1/traces", {}),
    ],
)
async def test_the_standard_variables_say_where_spans_go_and_whose_they_are(
    tmp_path: Path, given: Mapping[str, str], path: str, resource: Mapping[str, str]
) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        env = exporting(collector) | {name: value.format(url=collector.url) for name, value in given.items()}
        async with serving(tmp_path, env=env) as exporter:
            await post(exporter, {"messageId": "msg-1"})
            span = await the_message(collector, "msg-1")
    assert set(collector.paths) == {path}
    assert resource.items() <= span.resource.items()


IMPORTS: Final = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Python writes each module that it imports to standard error."""


@pytest.mark.parametrize("off", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
async def test_without_traces_opentelemetry_is_not_imported_and_nothing_is_sent(
    tmp_path: Path, off: Mapping[str, str]
) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        env = {**(exporting(collector) if off else {}), **off, **IMPORTS}
        async with serving(tmp_path, env=env) as exporter:
            await post(exporter, {"messageId": "msg-1"})
            assert (await ended(exporter, "msg-1"))["traceId"] is None
            assert await exporter.stop() == 0
        assert "exporter.tracing.room" in exporter.log
        assert "opentelemetry" not in exporter.log
        assert collector.bodies == []


async def test_an_endpoint_alone_switches_traces_on(tmp_path: Path) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **IMPORTS}
        async with serving(tmp_path, env=env) as exporter:
            await post(exporter, {"messageId": "msg-1", "traceparent": parent(10)})
            await ended(exporter, "msg-1")
            # The last spans leave when it stops, long before the delay of five seconds is over.
            assert await exporter.stop() == 0
        assert "opentelemetry.sdk" in exporter.log
        assert {span.name for span in collector.spans} == {MESSAGE, POLL}


TO_THE_LOG: Final = "import os, runpy; os.dup2(2, 1); runpy.run_module('exporter', run_name='__main__')"
"""Standard output and standard error as one, which is what is read here."""


async def test_the_console_shows_spans_for_those_who_try(tmp_path: Path) -> None:
    async with simulated() as simulator, aiohttp.ClientSession() as session:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        env = {"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER": "always_on"}
        async with spawn(session, tmp_path, "-c", TO_THE_LOG, *SERVE[2:], env=env) as exporter:
            await post(exporter, {"messageId": "msg-1"})
            told = await ended(exporter, "msg-1")
            assert await exporter.stop() == 0
    assert f'"trace_id": "0x{told["traceId"]}"' in exporter.log
    assert f'"name": "{MESSAGE}"' in exporter.log


FEW: Final = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}


@pytest.mark.parametrize("how", [Mode.HANG, Mode.REFUSE, Mode.LIMIT, Mode.BE_DOWN, "closed"])
async def test_a_collector_that_fails_costs_spans_and_nothing_else_until_it_is_back(
    tmp_path: Path, how: Mode | str
) -> None:
    async with simulated() as simulator, collecting() as collector:
        ids = [f"msg-{number}" for number in range(20)]
        for each in ids:
            simulator.add(each, life=delivered_after(2.0))
        write_config(tmp_path, config([account(simulator.url)]))
        if isinstance(how, Mode):
            collector.mode = how
        else:
            await collector.close()
        async with serving(tmp_path, env=exporting(collector, **FEW)) as exporter:
            await post(exporter, *[{"messageId": each} for each in ids])
            await exporter.shows(lambda it: it.sum(FINISHED, outcome="delivered") == len(ids))
            # Each message's own span, and those of two polls at least.
            lost = await exporter.shows(
                lambda it: it.sum(SPANS) >= 3 * len(ids) - 8 and it.sum(SPANS, result="failed") > 0
            )
            assert lost.sum(SPANS, result="exported") == 0
            assert lost.sum(POLLS, result="connection_error") == 0
            if how is Mode.HANG:
                assert lost.sum(SPANS, result="dropped") > 0
            await collector.close()
            collector.mode = Mode.TAKE
            await collector.open()
            simulator.add("last", life=delivered_after(0.0))
            await post(exporter, {"messageId": "last"})
            await the_message(collector, "last")
            found = await exporter.shows(lambda it: it.sum(SPANS, result="exported") == len(collector.spans))
            assert found.sum(SPANS, result="exported") >= 2
            assert await exporter.stop() == 0
        assert exporter.log.count("spans do not reach the collector") == 1
        assert exporter.log.count("spans reach the collector again") == 1
        assert ANGRY not in exporter.log


@pytest.mark.parametrize("how", [Mode.HANG, Mode.BE_DOWN, "closed"])
async def test_sigterm_ends_it_in_time_whatever_the_collector_does(tmp_path: Path, how: Mode | str) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        if isinstance(how, Mode):
            collector.mode = how
        else:
            await collector.close()
        env = exporting(collector, OTEL_EXPORTER_OTLP_TIMEOUT="3600")
        async with serving(tmp_path, env=env) as exporter:
            await post(exporter, {"messageId": "msg-1"})
            await ended(exporter, "msg-1")
            if isinstance(how, Mode):
                await collector.has(lambda it: it.came > 0)
            exporter.process.terminate()
            assert await exporter.ended(WITHIN_SECONDS) == 0


async def test_a_variable_that_cannot_be_used_is_said_and_stops_nothing(tmp_path: Path) -> None:
    async with simulated() as simulator, collecting() as collector:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)]))
        env = exporting(collector, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="5000", OTEL_TRACES_SAMPLER="xray")
        async with serving(tmp_path, env=env) as exporter:
            await post(exporter, {"messageId": "msg-1"})
            assert (await ended(exporter, "msg-1"))["traceId"] is None
            assert await exporter.stop() == 0
        assert "OTEL_TRACES_SAMPLER: xray is not known" in exporter.log
        assert "no traces are made" in exporter.log
        assert collector.bodies == []


async def test_prometheus_keeps_the_exemplar_that_leads_to_the_trace(tmp_path: Path) -> None:
    async with simulated() as simulator, collecting() as collector:
        for each in ("msg-1", "msg-2"):
            simulator.add(each, life=delivered_after(2.0))
        write_config(tmp_path, config([account(simulator.url)]))
        async with serving(tmp_path, env=exporting(collector)) as exporter:
            await post(exporter, {"messageId": "msg-1", "traceparent": parent(10)})
            await post(exporter, {"messageId": "msg-2", "traceparent": parent(20, sampled=False)})
            target = (await exporter.url()).removeprefix("http://")
            async with scraping(tmp_path, target, "--enable-feature=exemplar-storage") as prometheus:
                span = await the_message(collector, "msg-1")
                await ended(exporter, "msg-2")
                delivery = await exemplars(prometheus, "smsbat_time_to_delivery_seconds_bucket")
                assert delivery == [({"trace_id": span.trace_id, "span_id": span.span_id}, seconds(span))]
                calls = await exemplars(prometheus, "smsbat_exporter_poll_duration_seconds_bucket")
                made = {(span.trace_id, span.span_id) for span in collector.named(POLL)}
                assert {(labels["trace_id"], labels["span_id"]) for labels, _ in calls} <= made
            assert await exporter.stop() == 0
    assert "out-of-order exemplar" not in (tmp_path / "prometheus.log").read_text("utf-8")


def seconds(span: Span) -> float:
    """Return how long a message took."""
    return float(span.attributes["time_to_delivery.upper_bound"])


async def exemplars(prometheus: Prometheus, name: str) -> list[tuple[dict[str, str], float]]:
    """Wait until Prometheus has exemplars of a metric; return their labels and values."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            now = time.time()
            found = await prometheus.get("query_exemplars", query=name, start=f"{now - 600}", end=f"{now + 60}")
            if found:
                return [(it["labels"], float(it["value"])) for series in found for it in series["exemplars"]]

"""Traces switched on and off by reloads, with a collector on loopback, and how what becomes of spans is counted."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from exporter.tracing.room import Tracing
from tests.lab import Lab
from tests.otlp import Collector, Mode, collecting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ON: dict[str, Any] = {"tracing": {"enabled": True, "sample_ratio": 1}}
OFF: dict[str, Any] = {"tracing": {"enabled": False}}


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """Run a collector that OpenTelemetry knows of, and the exporter does not: its settings say whether."""
    async with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        yield running


def follow(lab: Lab, tracing: Tracing, /, **settings: Any) -> None:  # noqa: ANN401
    lab.reload(**settings)
    tracing.follow(lab.core.config)


async def deliver(lab: Lab, *ids: str) -> None:
    await lab.offer(*ids, channel="sms")
    for each in ids:
        lab.answer(each, "delivered")
    await lab.settle()


async def counted(lab: Lab, result: str, at_least: int) -> None:
    """Wait until so many spans were counted."""
    await lab.until(lambda: lab.core.spans.results[result] >= at_least, every=0.01)


async def test_a_reload_switches_traces_on_and_off_and_on_again(collector: Collector) -> None:
    async with Lab(**OFF) as lab:
        tracing = Tracing(lab.core, {})
        follow(lab, tracing)
        await deliver(lab, "m1")
        follow(lab, tracing, **ON)
        await deliver(lab, "m2")
        follow(lab, tracing, **OFF)
        await deliver(lab, "m3")
        assert lab.core.admission.sampling is None
        # What waited when they were switched off still leaves.
        await collector.has(lambda it: it.came == 1)
        follow(lab, tracing, **ON)
        await deliver(lab, "m4")
        await counted(lab, "exported", 2)
        await tracing.close()
        assert [span.attributes["messaging.message.id"] for span in collector.spans] == ["m2", "m4"]
        assert lab.core.spans.results == {"exported": 2, "dropped": 0, "failed": 0}
        assert lab.shown("exporter_spans", result="exported") == 2


async def test_a_reload_that_changes_something_else_keeps_the_way_to_the_collector(collector: Collector) -> None:
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, {})
        tracing.follow(lab.core.config)
        sink = lab.core.tracker.traced.sink
        assert sink is not None
        follow(lab, tracing, tracing={"enabled": True, "sample_ratio": 0})
        assert lab.core.tracker.traced.sink is sink
        await deliver(lab, "m1")
        await tracing.close()
        assert collector.bodies == []


async def test_spans_that_find_no_room_are_dropped_and_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    collector.mode = Mode.HANG
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, {"OTEL_BSP_MAX_QUEUE_SIZE": "4"})
        tracing.follow(lab.core.config)
        await deliver(lab, "m0")
        await collector.has(lambda it: it.came == 1)
        await deliver(lab, *(f"m{number}" for number in range(1, 8)))
        # One is on its way, four wait.
        assert lab.core.spans.results == {"exported": 0, "dropped": 3, "failed": 0}
        collector.mode = Mode.TAKE
        await collector.close()
        await collector.open()
        await counted(lab, "exported", 5)
        await tracing.close()
        assert lab.core.spans.results == {"exported": 5, "dropped": 3, "failed": 0}


async def test_closing_does_not_wait_for_a_collector_that_hangs(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
    collector.mode = Mode.HANG
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, {})
        tracing.follow(lab.core.config)
        await deliver(lab, "m1")
        async with asyncio.timeout(20):
            await tracing.close()
            await tracing.close()


async def test_failures_are_logged_once_without_what_the_collector_says(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    collector.mode = Mode.REFUSE
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, {})
        tracing.follow(lab.core.config)
        for failed in (1, 2):
            await deliver(lab, f"m{failed}")
            await counted(lab, "failed", failed)
        collector.mode = Mode.TAKE
        await deliver(lab, "m3")
        await counted(lab, "exported", 1)
        await tracing.close()
    about = [record.getMessage() for record in caplog.records if not record.name.startswith(("asyncio", "aiohttp"))]
    assert [line for line in about if "span" in line or "trace" in line] == [
        "spans do not reach the collector; they are counted, and everything else goes on",
        "spans reach the collector again",
    ]


@pytest.mark.parametrize("wrong", [{"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096"}])
async def test_a_variable_that_opentelemetry_refuses_switches_traces_off(
    wrong: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, wrong)
        tracing.follow(lab.core.config)
        assert lab.core.admission.sampling is None
        assert lab.core.tracker.traced.sink is None
        assert "no traces are made" in caplog.text
        await tracing.close()


@pytest.mark.parametrize("size", ["", "many", "-1", "³"])
async def test_a_queue_size_that_is_no_number_is_left_out(size: str, collector: Collector) -> None:
    async with Lab(**ON) as lab:
        tracing = Tracing(lab.core, {"OTEL_BSP_MAX_QUEUE_SIZE": size})
        tracing.follow(lab.core.config)
        await deliver(lab, "m1")
        await tracing.close()
        assert len(collector.spans) == 1

"""Exemplars of a core at work: beside the right bucket, of traces that are made, and shown as their bucket is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from exporter import view
from exporter.meters import POLL_EDGES, Meter
from exporter.trace_ids import Sampling, TraceIds, ids_of
from tests.lab import Lab
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from exporter.traced import MessageTrace, PollTrace

DELIVERY = "smsbat_time_to_delivery_seconds"
SETTINGS: dict[str, Any] = {
    "polling": [{"first": "2s", "interval": "5s", "timeout": "1h", "mature": "50m"}],
    "buckets": [5, 10],
}


class Nobody:
    """A sink that forgets."""

    def poll(self, poll: PollTrace) -> None:
        """Take a call."""

    def message(self, message: MessageTrace) -> None:
        """Take a message's end."""


def trace(lab: Lab, *, on: bool = True) -> None:
    lab.core.admission.sampling = Sampling(1.0)
    lab.core.tracker.traced.sink = Nobody() if on else None


async def deliver(lab: Lab, message_id: str, after: float, **more: Any) -> TraceIds:  # noqa: ANN401
    """Send a message now that is delivered some seconds later; returns its ids."""
    await lab.offer(message_id, channel="sms", **more)
    ids = ids_of(lab.core.in_flight.get(lab.slot(message_id)))
    lab.advance(after)
    lab.answer(message_id, "delivered")
    await lab.settle()
    return ids


def shown(lab: Lab) -> dict[tuple[str, ...], tuple[TraceIds, float, float]]:
    """Return what is shown beside the buckets of times to delivery: ids, seconds, and when, by fallback and edge."""
    families = view.snapshot(lab.core, lab.clock.at).collect()
    samples = [sample for family in families for sample in family.samples if sample.exemplar is not None]
    assert {sample.name for sample in samples} <= {f"{DELIVERY}_bucket", "smsbat_exporter_poll_duration_seconds_bucket"}
    return {
        (sample.labels["fallback"], sample.labels["le"]): (
            TraceIds(sample.exemplar.labels["trace_id"], sample.exemplar.labels["span_id"]),
            sample.exemplar.value,
            float(sample.exemplar.timestamp or 0),
        )
        for sample in samples
        if sample.exemplar is not None and sample.name.startswith(DELIVERY)
    }


@in_virtual_time
async def test_each_bucket_shows_the_last_sampled_message_that_fell_into_it() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await deliver(lab, "m1", 3)
        exact = await deliver(lab, "m2", 5)
        exact_at = lab.clock.at
        longer = await deliver(lab, "m3", 11)
        assert shown(lab) == {("none", "5.0"): (exact, 5.0, exact_at), ("none", "+Inf"): (longer, 11.0, lab.clock.at)}


@in_virtual_time
async def test_a_fallback_has_its_own_buckets() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", channel="viber_otp")
        lab.advance(7)
        lab.answer("m1", "delivered", fallbacks=[{"type": "sms", "status": "delivered"}])
        await lab.settle()
        assert list(shown(lab)) == [("used", "10.0")]


@in_virtual_time
async def test_only_deliveries_of_sampled_messages_are_shown() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await deliver(lab, "m1", 3, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
        await lab.offer("m2", channel="sms")
        lab.answer("m2", "undeliverable")
        await lab.settle()
        assert shown(lab) == {}


@in_virtual_time
async def test_a_message_whose_end_is_not_traced_any_more_is_not_shown() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", channel="sms")
        trace(lab, on=False)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert shown(lab) == {}


@in_virtual_time
async def test_an_exemplar_waits_until_its_observation_is_shown() -> None:
    async with Lab(**SETTINGS, zero_hold="60s") as lab:
        trace(lab)
        lab.advance(61)
        await lab.offer("m1", channel="rcs")
        lab.advance(3)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert (lab.shown(f"{DELIVERY}_count", channel="rcs"), shown(lab)) == (0, {})
        lab.advance(61)
        assert (lab.shown(f"{DELIVERY}_count", channel="rcs"), list(shown(lab))) == (1, [("none", "5.0")])


@in_virtual_time
async def test_an_exemplar_is_not_shown_before_it_is_stored() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(3)
        lab.answer("m1", "delivered")
        assert shown(lab) == {}
        await lab.settle()
        assert list(shown(lab)) == [("none", "5.0")]


@in_virtual_time
async def test_exemplars_are_gone_after_the_buckets_change_and_come_back_beside_the_new_ones() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await deliver(lab, "m1", 7)
        lab.reload(buckets=[4, 8])
        await lab.settle()
        assert shown(lab) == {}
        await deliver(lab, "m2", 7)
        assert list(shown(lab)) == [("none", "8.0")]


@in_virtual_time
async def test_what_is_not_stored_yet_when_the_buckets_change_is_shown_beside_the_new_ones() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(7)
        lab.answer("m1", "delivered")
        lab.reload(buckets=[8, 20])
        await lab.settle()
        assert list(shown(lab)) == [("none", "8.0")]


@in_virtual_time
async def test_what_is_being_stored_while_the_buckets_change_is_not_shown_beside_the_new_ones() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(7)
        lab.store.open.clear()
        lab.store.entered.clear()
        lab.answer("m1", "delivered")
        await asyncio.to_thread(lab.store.entered.wait, 10)
        lab.reload(buckets=[8, 20])
        lab.store.open.set()
        await lab.settle()
        assert shown(lab) == {}


@in_virtual_time
async def test_a_reload_that_changes_no_bucket_leaves_them() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await deliver(lab, "m1", 7)
        lab.reload(window="30m")
        await lab.settle()
        assert list(shown(lab)) == [("none", "10.0")]


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.01, 0), (0.011, 1), (30.0, 10), (31.0, 11)])
def test_a_meter_keeps_the_last_one_of_each_bucket(seconds: float, place: int) -> None:
    meter = Meter(POLL_EDGES)
    for number in (1, 2):
        ids = TraceIds(f"{number:032x}", f"{number:016x}")
        meter.observe(seconds)
        meter.illustrate(seconds, ids, float(number))
    assert meter.exemplars == {place: (ids, seconds, 2.0)}
    assert meter.read().counts[place] == 2

"""What is told of sampled messages: after the commit, whole across restarts, and nothing of the others."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics import exposition as openmetrics

from exporter import view
from exporter.client import Credentials, NoResponse, Response
from exporter.hearing import Call, Hearing
from exporter.knowledge import Knowledge
from exporter.message import Outcome, PollResult, Status
from exporter.trace_ids import Sampling, ids_of, trace_id
from exporter.traced import NOTE
from exporter.webhook.bodies import notice_in
from exporter.webhook.receiver import Receiver
from tests.lab import Lab, account
from tests.virtual_time import START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.traced import MessageTrace, PollTrace

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-00"
ALL = Sampling(1.0)
SETTINGS: dict[str, Any] = {
    "accounts": [account(webhook_token="token")],
    "polling": [{"first": "2s", "interval": "5s", "timeout": "1h", "mature": "50m"}],
}


class Told:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.polls: list[PollTrace] = []
        self.messages: list[MessageTrace] = []

    def poll(self, poll: PollTrace) -> None:
        self.polls.append(poll)

    def message(self, message: MessageTrace) -> None:
        self.messages.append(message)


def trace(lab: Lab, sampling: Sampling | None = ALL) -> Told:
    """Have traces made from now on; returns what is told."""
    told = Told()
    lab.core.admission.sampling = sampling
    lab.core.tracker.traced.sink = told
    return told


def stop_tracing(lab: Lab) -> None:
    lab.core.admission.sampling = lab.core.tracker.traced.sink = None


def hear(lab: Lab, message_id: str, response: Response | NoResponse, took: float = 0.125) -> None:
    """Let a call about a message begin and end, as the poller does."""
    slot = lab.slot(message_id)
    hear_of(lab, slot, lab.core.in_flight.columns.seq[slot], message_id, response, took)


def hear_of(  # noqa: PLR0917 - what makes a call
    lab: Lab, slot: int, seq: int, message_id: str, response: Response | NoResponse, took: float
) -> None:
    started_at = lab.clock.at
    lab.clock.at += took
    desk = lab.core.desks["main"]
    desk.budget.start(started_at)
    hearing = Hearing(desk, Credentials(lab.core.config.accounts[0]), lab.core.tracker, lab.words)
    hearing.hear(Call(slot, seq, message_id, started_at, lab.clock.at, response))


def with_store_shut(lab: Lab) -> None:
    """From now on commits begin and wait."""
    lab.store.open.clear()
    lab.store.entered.clear()


def says(message_id: str, status: str, code: int = 200) -> Response:
    body = json.dumps({"messageId": message_id, "deliverystatus": status}).encode()
    return Response(code, body, None)


def steps(trace_of: MessageTrace) -> list[tuple[float, Status]]:
    return [(step.at - START, Status(step.status)) for step in trace_of.steps]


async def notes(lab: Lab) -> dict[int, str]:
    return await lab.core.writer.call(lambda store: store.notes(NOTE))


@in_virtual_time
async def test_a_message_is_told_with_every_status_once_it_has_ended() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms", traceparent=PARENT)
        for after, status in ((2, "scheduled"), (5, "processing"), (5, "processing"), (5, "on its way")):
            lab.advance(after)
            lab.answer("m1", status)
        lab.advance(5)
        lab.answer("m1", "delivered", took=0.5)
        await lab.settle()
        (message,) = told.messages
        assert steps(message) == [(2, Status.SCHEDULED), (7, Status.PROCESSING), (17, Status.UNKNOWN)]
        assert message.ending is not None
        assert (message.ending.outcome, message.ended_at - START) == (Outcome.DELIVERED, 22.5)
        assert (message.message.id, message.message.polls, message.message.status) == ("m1", 5, Status.DELIVERED)
        assert trace_id(message.message) == TRACE


@in_virtual_time
async def test_nothing_is_told_before_it_is_stored() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(2)
        with_store_shut(lab)
        hear(lab, "m1", says("m1", "processing"))
        hear(lab, "m2", says("m2", "delivered"))
        await asyncio.to_thread(lab.store.entered.wait, 10)
        await lab.turn()
        assert (told.polls, told.messages) == ([], [])
        lab.store.open.set()
        await lab.settle()
        assert [poll.message.id for poll in told.polls] == ["m1", "m2"]
        assert [message.message.id for message in told.messages] == ["m2"]


@in_virtual_time
async def test_what_was_not_stored_when_the_process_was_killed_was_not_told() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "delivered")
        await lab.restart()
        assert told.messages == []
        again = trace(lab)
        lab.answer("m1", "delivered")
        await lab.settle()
        assert [message.message.id for message in again.messages] == ["m1"]


@pytest.mark.parametrize("on_disk", [False, True])
@in_virtual_time
async def test_a_trace_survives_restarts_whole(tmp_path: Path, *, on_disk: bool) -> None:
    async with Lab(tmp_path / "store" if on_disk else None, **SETTINGS) as lab:
        trace(lab)
        await lab.offer("own", channel="sms")
        await lab.offer("child", channel="sms", traceparent=PARENT)
        before = {each: ids_of(lab.core.in_flight.get(lab.slot(each))) for each in ("own", "child")}
        for after, status in ((2, "scheduled"), (5, "processing")):
            lab.advance(after)
            lab.answer("own", status)
            lab.answer("child", status)
            await lab.settle()
            await lab.restart()
            told = trace(lab, Sampling(0.0))
        lab.advance(5)
        lab.answer("own", "delivered")
        lab.answer("child", "delivered")
        await lab.settle()
        assert {message.message.id: ids_of(message.message) for message in told.messages} == before
        for message in told.messages:
            assert steps(message) == [(2, Status.SCHEDULED), (7, Status.PROCESSING)]
            assert message.message.sent_at == START
        assert await notes(lab) == {}


@in_virtual_time
async def test_nothing_is_kept_or_told_of_an_unsampled_message() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms", traceparent=UNSAMPLED)
        lab.advance(2)
        hear(lab, "m1", says("m1", "processing"))
        await lab.settle()
        assert await notes(lab) == {}
        hear(lab, "m1", says("m1", "delivered"))
        await lab.settle()
        assert (told.polls, told.messages) == ([], [])
        text: bytes = openmetrics.generate_latest(view.snapshot(lab.core, lab.clock.at))  # type: ignore[no-untyped-call]
        assert b"trace_id" not in text


@in_virtual_time
async def test_nothing_is_left_of_a_sampled_message_that_ended() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("m1", "m2", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        lab.answer("m2", "processing")
        await lab.settle()
        assert [json.loads(body) for body in (await notes(lab)).values()] == [[[START + 2, Status.PROCESSING]]] * 2
        lab.answer("m1", "undeliverable")
        lab.core.tracker.abandon(lab.slot("m2"))
        await lab.settle()
        assert await notes(lab) == {}
        told = trace(lab)
        await lab.offer("m3", "m4", channel="sms")
        lab.answer("m3", "delivered")
        lab.answer("m4", "delivered")
        await lab.settle()
        assert [message.steps for message in told.messages] == [(), ()]


@in_virtual_time
async def test_the_status_that_a_message_times_out_in_is_told_too() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(3601)
        lab.answer("m1", "processing")
        await lab.settle()
        (message,) = told.messages
        assert message.ending is not None
        assert (message.ending.outcome, steps(message)) == (Outcome.TIMEOUT, [(3601, Status.PROCESSING)])
        assert await notes(lab) == {}


@in_virtual_time
async def test_an_abandoned_message_is_told_without_an_ending() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        lab.advance(3)
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        (message,) = told.messages
        assert (message.ending, message.ended_at - START) == (None, 5)
        assert steps(message) == [(2, Status.PROCESSING)]


async def announce(lab: Lab, message_id: str, status: str) -> None:
    body = {"messageId": message_id, "deliverystatus": status, "timestamp": "2027-01-15T08:00:04.500Z"}
    found, notice = notice_in(json.dumps(body).encode(), lab.words)
    assert await Receiver(lab.core).receive("main", found, notice)


@pytest.mark.parametrize("confirmed", [True, False])
@in_virtual_time
async def test_an_announced_end_is_told_once_with_the_webhooks_time(*, confirmed: bool) -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        lab.advance(4)
        await announce(lab, "m1", "delivered")
        assert told.messages == []
        if confirmed:
            lab.answer("m1", "delivered", took=1)
        else:
            lab.advance(120)
        await lab.settle()
        (message,) = told.messages
        assert message.ending is not None
        assert (message.ending.outcome, message.ended_at - START) == (Outcome.DELIVERED, 4.5)
        assert message.message.status is Status.DELIVERED
        assert steps(message) == [(2, Status.PROCESSING)]


@in_virtual_time
async def test_an_announced_status_in_flight_is_a_step() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(1)
        await announce(lab, "m1", "processing")
        lab.answer("m1", "delivered")
        await lab.settle()
        assert steps(told.messages[0]) == [(1, Status.PROCESSING)]


@in_virtual_time
async def test_a_message_that_time_ends_is_told() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        lab.answer("m1", "processing")
        for _ in range(3):
            lab.advance(86_400)
        await lab.settle()
        (message,) = told.messages
        assert message.ending is not None
        assert message.ending.outcome is Outcome.UNOBSERVED


@in_virtual_time
async def test_each_call_is_told_with_the_message_as_it_was_before() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms", traceparent=PARENT)
        lab.advance(2)
        calls: list[Response | NoResponse] = [
            says("m1", "processing"),
            says("m1", "processing"),
            says("m1", "", 503),
            NoResponse(PollResult.TIMEOUT),
            says("m1", "", 404),
            says("m1", "delivered"),
        ]
        for call in calls:
            hear(lab, "m1", call)
            lab.advance(5)
        await lab.settle()
        assert [(poll.result, poll.code, poll.status) for poll in told.polls] == [
            (PollResult.CHANGED, 200, Status.PROCESSING),
            (PollResult.UNCHANGED, 200, Status.PROCESSING),
            (PollResult.SERVER_ERROR, 503, None),
            (PollResult.TIMEOUT, None, None),
            (PollResult.NOT_FOUND, 404, None),
            (PollResult.CHANGED, 200, Status.DELIVERED),
        ]
        assert [poll.message.polls for poll in told.polls] == [0, 1, 2, 3, 4, 5]
        assert {poll.arrived_at - poll.started_at for poll in told.polls} == {0.125}
        assert {poll.ids.trace_id for poll in told.polls} == {TRACE}
        spans = {poll.ids.span_id for poll in told.polls}
        assert len(spans) == len(calls)
        assert ids_of(told.messages[0].message).span_id not in spans


@in_virtual_time
async def test_a_call_that_comes_too_late_is_told_without_waiting_for_another_message() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        lab.advance(2)
        with_store_shut(lab)
        lab.answer("m1", "delivered")
        await asyncio.to_thread(lab.store.entered.wait, 10)
        hear(lab, "m1", says("m1", "delivered"))
        lab.store.open.set()
        await lab.until(lambda: len(told.polls) == 1)
        assert len(told.messages) == 1


@in_virtual_time
async def test_a_call_about_a_message_that_is_gone_is_not_told_as_its_successors() -> None:
    async with Lab(**SETTINGS) as lab:
        told = trace(lab)
        await lab.offer("m1", channel="sms")
        slot = lab.slot("m1")
        seq = lab.core.in_flight.columns.seq[slot]
        lab.answer("m1", "delivered")
        await lab.settle()
        await lab.offer("m2", channel="sms")
        assert lab.slot("m2") == slot
        hear_of(lab, slot, seq, "m1", says("m1", "delivered"), 0.125)
        await lab.settle()
        assert told.polls == []


@in_virtual_time
async def test_traces_that_are_switched_off_and_on_go_on_for_those_that_were_sampled() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("early", channel="sms")
        lab.advance(2)
        stop_tracing(lab)
        await lab.offer("meanwhile", channel="sms")
        hear(lab, "early", says("early", "processing"))
        await lab.settle()
        told = trace(lab)
        for each in ("early", "meanwhile"):
            hear(lab, each, says(each, "delivered"))
        await lab.settle()
        assert [message.message.id for message in told.messages] == ["early"]
        assert [poll.message.id for poll in told.polls] == ["early"]
        assert steps(told.messages[0]) == [(2.125, Status.PROCESSING)]


@pytest.mark.parametrize("how", ["reload", "restart"])
@in_virtual_time
async def test_another_ratio_changes_nothing_for_messages_that_were_accepted(how: str) -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab, Sampling(1.0))
        await lab.offer("sampled", channel="sms")
        trace(lab, Sampling(0.0))
        await lab.offer("unsampled", channel="sms")
        await lab.become(how, window="30m")
        told = trace(lab, Sampling(0.0))
        lab.answer("sampled", "processing")
        told = trace(lab, Sampling(1.0))
        lab.answer("sampled", "delivered")
        lab.answer("unsampled", "delivered")
        await lab.settle()
        assert [message.message.id for message in told.messages] == ["sampled"]


@in_virtual_time
async def test_a_sampled_parent_wins_and_an_unsampled_one_loses() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab, Sampling(0.0))
        await lab.offer("in", channel="sms", traceparent=PARENT)
        trace(lab, Sampling(1.0))
        await lab.offer("out", channel="sms", traceparent=UNSAMPLED)
        assert lab.core.in_flight.get(lab.slot("in")).sampled
        assert not lab.core.in_flight.get(lab.slot("out")).sampled


@in_virtual_time
async def test_the_api_names_the_trace_in_flight_and_finished() -> None:
    async with Lab(**SETTINGS) as lab:
        trace(lab)
        await lab.offer("own", "gone", channel="sms")
        await lab.offer("child", channel="sms", traceparent=UNSAMPLED)
        stop_tracing(lab)
        await lab.offer("plain", channel="sms")
        own = trace_id(lab.core.in_flight.get(lab.slot("own")))
        gone = trace_id(lab.core.in_flight.get(lab.slot("gone")))
        expected = {"own": own, "gone": gone, "child": TRACE, "plain": None}
        knowledge = Knowledge(lab.core.tracker, lab.core.writer, lab.core.account_names)
        assert await known(knowledge, *expected) == expected
        for each in ("own", "child", "plain"):
            lab.answer(each, "delivered")
        lab.core.tracker.abandon(lab.slot("gone"))
        await lab.settle()
        assert await known(knowledge, *expected) == expected


async def known(knowledge: Knowledge, *ids: str) -> dict[str, str | None]:
    found = {}
    for each in ids:
        (of,) = await knowledge.of(each)
        found[each] = of.trace_id
    return found

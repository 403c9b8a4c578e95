"""Which trace a message is, and of which messages traces are made."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from exporter.message import Message
from exporter.trace_ids import Sampling, TraceIds, ids_of, parent_of, trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
OWN = Message(id="m1", account="main", channel="sms", sent_at=1_800_000_000.0, accepted_at=1_800_000_001.5)


def sent_in(flags: str = "01", trace: str = TRACE) -> Message:
    return msgspec.structs.replace(OWN, traceparent=f"00-{trace}-{SPAN}-{flags}")


MESSAGES = st.builds(
    Message,
    id=st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}", fullmatch=True),
    account=st.text(min_size=1, max_size=20),
    channel=st.just("sms"),
    sent_at=st.just(0.0),
    accepted_at=st.floats(1.7e9, 1.9e9),
)


@given(MESSAGES)
def test_ids_are_written_as_w3c_writes_them_and_always_the_same(message: Message) -> None:
    ids = ids_of(message)
    assert re.fullmatch(r"[0-9a-f]{32}", ids.trace_id)
    assert re.fullmatch(r"[0-9a-f]{16}", ids.span_id)
    later = msgspec.structs.replace(message, polls=7, answered_at=1.9e9, sampled=True, matured=True)
    assert ids_of(later) == ids
    assert trace_id(later) == ids.trace_id


@given(MESSAGES, MESSAGES)
def test_two_messages_are_two_traces(one: Message, other: Message) -> None:
    same = (one.account, one.id, one.accepted_at) == (other.account, other.id, other.accepted_at)
    assert (ids_of(one) == ids_of(other)) == same
    assert (trace_id(one) == trace_id(other)) == same


@pytest.mark.parametrize("changes", [{"id": "m2"}, {"account": "second"}, {"accepted_at": 1_800_000_001.75}])
def test_account_id_and_acceptance_make_the_trace(changes: dict[str, object]) -> None:
    other = msgspec.structs.replace(OWN, **changes)
    assert trace_id(other) != trace_id(OWN)
    assert ids_of(other).span_id != ids_of(OWN).span_id


def test_the_callers_trace_goes_on_with_a_span_of_the_messages_own() -> None:
    message = sent_in()
    assert ids_of(message) == TraceIds(TRACE, ids_of(OWN).span_id)
    assert parent_of(message) == TraceIds(TRACE, SPAN)
    assert parent_of(OWN) is None


@given(MESSAGES, st.floats(0, 1))
def test_the_ratio_decides_as_opentelemetrys_ratio_sampler_does(message: Message, ratio: float) -> None:
    theirs = TraceIdRatioBased(ratio).should_sample(None, int(trace_id(message), 16), "smsbat message")
    assert Sampling(ratio).takes(message) == (theirs.decision is Decision.RECORD_AND_SAMPLE)


@pytest.mark.parametrize("low_half", ["0000000000000000", "0000000000000001", "7fffffffffffffff", "8000000000000000"])
@pytest.mark.parametrize("ratio", [0.0, 2**-64, 0.5, 1.0])
def test_the_ratios_edges_are_opentelemetrys(low_half: str, ratio: float) -> None:
    message = sent_in(trace=f"{'f' * 16}{low_half}")
    theirs = TraceIdRatioBased(ratio).should_sample(None, int(trace_id(message), 16), "smsbat message")
    ours = Sampling(ratio, heeds_parent=False).takes(message)
    assert ours == (theirs.decision is Decision.RECORD_AND_SAMPLE)


@given(st.floats(0, 1))
def test_about_as_many_are_taken_as_the_ratio_says(ratio: float) -> None:
    messages = [msgspec.structs.replace(OWN, id=f"m{number}") for number in range(1000)]
    # Five standard deviations at most.
    assert abs(sum(map(Sampling(ratio).takes, messages)) - 1000 * ratio) <= 80


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_a_parent_decides_for_its_message(flags: str, ratio: float, *, sampled: bool) -> None:
    assert Sampling(ratio).takes(sent_in(flags)) is sampled
    assert Sampling(ratio, heeds_parent=False).takes(sent_in(flags)) is (ratio == 1.0)

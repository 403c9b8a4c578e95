"""Messages as rows of the store: what is loaded again is what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.message import Message, Status
from exporter.records import labels_of, labels_text
from tests.lab import Lab, account
from tests.virtual_time import START, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

LABELS = st.dictionaries(st.sampled_from(["campaign", "team"]), st.text(max_size=20), max_size=2).map(
    lambda given: tuple(sorted(given.items()))
)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(LABELS)
def test_labels_come_back_as_they_were_stored(labels: tuple[tuple[str, str], ...]) -> None:
    assert labels_of(labels_text(labels)) == labels


STEPS = st.lists(st.sampled_from(["scheduled", "processing", "teleported", "404", "503", "wait"]), max_size=6)
OFFERS = st.fixed_dictionaries(
    {
        "account": st.sampled_from(["main", "two"]),
        "channel": st.sampled_from([None, "sms", "viber_otp"]),
        "sent_at": st.sampled_from([None, START - 7.25, START + 86_400]),
        "ttl": st.sampled_from([None, 60_000.5]),
        "labels": st.dictionaries(st.sampled_from(["campaign", "team"]), st.sampled_from(["", "a", "ä b"])),
        "traceparent": st.sampled_from([None, PARENT]),
    }
)


def everything(lab: Lab) -> dict[tuple[str, str], tuple[Message, int]]:
    in_flight = lab.core.in_flight
    messages = [(in_flight.get(slot), in_flight.columns.seq[slot]) for slot in in_flight.slots()]
    return {(message.account, message.id): (message, seq) for message, seq in messages}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(OFFERS, STEPS), max_size=5))
def test_a_restart_finds_every_message_as_it_was(offers: list[tuple[dict[str, Any], list[str]]]) -> None:
    @in_virtual_time
    async def run() -> None:
        both = [account("main"), account("two")]
        labels: dict[str, object] = {"campaign": {}, "team": {}}
        async with Lab(accounts=both, labels=labels, not_found_grace="2h") as lab:  # so that none ends
            for number, (offer, steps) in enumerate(offers):
                await lab.offer(f"m{number}", **offer)
                for step in steps:
                    act(lab, f"m{number}", str(offer["account"]), step)
            await lab.settle()
            before = everything(lab)
            assert len(before) == len(offers)
            await lab.restart()
            assert everything(lab) == before

    run()


def act(lab: Lab, message_id: str, own: str, step: str) -> None:
    if step == "wait":
        lab.advance(61)
    elif step == "404":
        lab.not_found(message_id, account=own)
    elif step == "503":
        lab.fail(message_id, account=own)
    else:
        lab.answer(message_id, step, account=own)


@in_virtual_time
async def test_a_message_goes_on_after_a_restart_where_it_was(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.offer("m1", channel="sms", ttl=600.0, traceparent=PARENT)
        lab.advance(10)
        lab.answer("m1", "processing")
        due_at = lab.core.in_flight.columns.due_at[lab.slot("m1")]
        await lab.settle()
        await lab.restart()
        assert lab.core.in_flight.columns.due_at[lab.slot("m1")] == due_at
        message = lab.core.in_flight.get(lab.slot("m1"))
        assert (message.status, message.polls, message.traceparent) == (Status.PROCESSING, 1, PARENT)

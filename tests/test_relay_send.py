"""Sends through the relay to the simulated API: what is tracked, under which account, and what the caller gets."""

from __future__ import annotations

from tests.relaying import simulated
from tests.virtual_time import in_virtual_time


@in_virtual_time
async def test_an_accepted_message_is_tracked_before_the_answer_is_passed_back() -> None:
    async with simulated() as (it, _):
        answer = await it.send({"type": "viber_otp", "ttl": 300})
        (entry,) = answer.json["messages"]
        assert (answer.status, entry["status"]) == (200, "accepted")
        columns, slot = it.lab.core.in_flight.columns, it.lab.slot(entry["messageId"])
        assert columns.ttl[slot] == 300
        assert it.shown("messages_accepted", account="main", channel="viber_otp") == 1
        assert it.shown("exporter_intake", source="relay", result="accepted") == 1
        assert it.shown("exporter_relay_requests", account="main", code="200") == 1
        assert it.shown("exporter_relay_untracked") == 0

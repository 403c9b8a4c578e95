"""What may be a label value: known or configured, capped at a time, otherwise `other`; also across a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.labels import LabelLimits, LabelRules
from exporter.message import CHANNELS
from tests.lab import Lab, account
from tests.virtual_time import DAY, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

CAMPAIGN = {"campaign": {"max_values": 2}}


def rules(max_values: int = 50, max_sets: int = 500, channels: tuple[str, ...] = ()) -> LabelRules:
    return LabelRules(LabelLimits({"campaign": max_values}, max_sets, frozenset(channels)))


@pytest.mark.parametrize("channel", [*CHANNELS, "other", "unknown", "telegram"])
def test_a_known_or_configured_channel_is_itself(channel: str) -> None:
    assert rules(channels=("telegram",)).words.channel(f" {channel.upper()} ") == channel


@given(st.text())
def test_any_other_text_is_the_other_channel_and_none_is_unknown(text: str) -> None:
    known = {*CHANNELS, "other", "unknown"}
    assert rules().words.channel(text) == (
        text.strip().lower() if text.strip().lower() in known else "other" if text else "unknown"
    )


@given(st.text())
def test_what_an_answer_names_is_known_or_other(text: str) -> None:
    assert rules().words.kind(text) in {*CHANNELS, "viber", "email", "other", "unknown"}
    assert rules().words.status(text) in {
        "scheduled",
        "processing",
        "delivered",
        "undeliverable",
        "permanenterror",
        "not_used",
        "other",
    }


@given(st.lists(st.text(max_size=200), max_size=40))
def test_no_more_values_come_up_than_may_be_at_a_time(texts: list[str]) -> None:
    few = rules(max_values=3)
    values = {value for text in texts for _, value in few.admit("main", "sms", {"campaign": text}, 0.0)}
    assert len(values - {"", "other"}) <= 3


@pytest.mark.parametrize("value", ["a\nb", "a" * 129, "\x00"])
def test_a_value_that_is_no_line_of_text_is_other(value: str) -> None:
    assert rules().admit("main", "sms", {"campaign": value}, 0.0) == (("campaign", "other"),)


@in_virtual_time
async def test_the_value_over_the_cap_is_other_also_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN) as lab:
        for name in ("spring", "summer", "autumn"):
            await lab.offer(name, channel="sms", labels={"campaign": name})
        assert lab.shown("exporter_label_overflow", label="campaign") == 1
        await lab.restart()
        for name in ("winter", "spring"):
            await lab.offer(f"{name}2", channel="sms", labels={"campaign": name})
        counts = {
            name: lab.shown("messages_accepted", campaign=name) for name in ("spring", "summer", "autumn", "winter")
        }
        assert counts == {"spring": 2, "summer": 1, "autumn": None, "winter": None}
        assert lab.shown("messages_accepted", campaign="other") == 2


@in_virtual_time
async def test_values_are_capped_for_each_label_and_not_for_each_channel(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels={**CAMPAIGN, "team": {"max_values": 1}}) as lab:
        await lab.offer("m1", channel="sms", labels={"campaign": "spring", "team": "red"})
        await lab.offer("m2", channel="rcs", labels={"campaign": "summer", "team": "blue"})
        await lab.restart()
        await lab.offer("m3", channel="viber_otp", labels={"campaign": "autumn", "team": "red"})
        assert lab.shown("messages_accepted", channel="rcs", campaign="summer", team="other") == 1
        assert lab.shown("messages_accepted", channel="viber_otp", campaign="other", team="red") == 1


@in_virtual_time
async def test_a_message_without_a_label_has_it_empty_and_uses_no_room(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN, max_label_sets=1) as lab:
        await lab.offer("m1", channel="sms")
        await lab.offer("m2", channel="rcs")
        await lab.restart()
        await lab.offer("m3", channel="sms", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", channel="sms", campaign="") == 1
        assert lab.shown("messages_accepted", channel="sms", campaign="spring") == 1


@in_virtual_time
async def test_labels_that_are_not_configured_are_counted_and_left_out() -> None:
    async with Lab(labels=CAMPAIGN) as lab:
        await lab.offer("m1", labels={"colour": "red", "campaign": "spring"})
        assert lab.shown("exporter_labels_ignored") == 1
        assert not any("colour" in labels or "red" in labels.values() for _, labels, _ in lab.samples())


@in_virtual_time
async def test_label_sets_over_the_cap_are_other_also_after_a_restart(tmp_path: Path) -> None:
    wide = {"campaign": {"max_values": 50}}
    async with Lab(tmp_path, labels=wide, max_label_sets=2) as lab:
        await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
        await lab.offer("m2", channel="rcs", labels={"campaign": "spring"})
        await lab.offer("m3", channel="flashcall", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", channel="flashcall", campaign="other") == 1
        await lab.restart()
        await lab.offer("m4", channel="sms", labels={"campaign": "summer"})
        await lab.offer("m5", channel="rcs", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", channel="sms", campaign="other") == 1
        assert lab.shown("messages_accepted", channel="rcs", campaign="spring") == 2


@in_virtual_time
async def test_the_zeros_of_configured_channels_use_no_room_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN, max_label_sets=1, channels=["sms", "rcs"]) as lab:
        await lab.settle()
        await lab.restart()
        await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", campaign="spring") == 1


@in_virtual_time
async def test_an_idle_set_is_hidden_and_resumes_from_its_stored_totals(tmp_path: Path) -> None:
    async with Lab(tmp_path, labels=CAMPAIGN, histogram_labels=True) as lab:
        await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
        lab.answer("m1", "delivered", cost="0.25")
        await lab.offer("m2", channel="sms", labels={"campaign": "summer"})
        await lab.settle()
        for _ in range(2):
            lab.advance(30 * DAY - 60)
            assert lab.shown("messages_finished", campaign="spring") == 1
            lab.clock.at -= 30 * DAY - 60
            await lab.restart()
        lab.advance(20 * DAY)
        await lab.offer("m3", channel="sms", labels={"campaign": "summer"})
        lab.advance(10 * DAY + 1)
        for _ in range(2):
            hidden = (
                "messages_accepted",
                "messages_finished",
                "cost",
                "messages_matured",
                "time_to_delivery_seconds_count",
            )
            assert {name: lab.shown(name, campaign="spring") for name in hidden} == dict.fromkeys(hidden)
            assert lab.shown("messages_accepted", campaign="summer") == 2
            await lab.restart()
        await lab.offer("m4", channel="sms", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", campaign="spring") == 2
        assert lab.shown("cost", campaign="spring") == 0.25


@in_virtual_time
async def test_an_idle_channel_is_hidden_unless_the_configuration_names_it(tmp_path: Path) -> None:
    async with Lab(tmp_path, channels=["rcs"]) as lab:
        await lab.offer("m1", channel="sms")
        await lab.offer("m2", channel="rcs")
        lab.answer("m1", "delivered")
        lab.answer("m2", "delivered")
        await lab.settle()
        lab.advance(30 * DAY + 1)
        for _ in range(2):
            assert lab.shown("message_status", channel="sms") is None
            assert lab.shown("messages_finished", channel="rcs") == 1
            await lab.restart()
        await lab.offer("m3", channel="sms")
        assert lab.shown("message_status", channel="sms", status="delivered") == 1


@pytest.mark.parametrize("restarts", [False, True])
@in_virtual_time
async def test_idle_sets_free_room_under_both_caps(tmp_path: Path, *, restarts: bool) -> None:
    for caps in ({"labels": {"campaign": {"max_values": 1}}}, {"labels": CAMPAIGN, "max_label_sets": 1}):
        async with Lab(tmp_path / str(len(caps)), **caps) as lab:
            await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
            lab.answer("m1", "delivered")
            await lab.settle()
            lab.advance(30 * DAY + 1)
            await lab.offer("m2", channel="sms", labels={"campaign": "summer"})
            if restarts:
                await lab.restart()
            await lab.offer("m3", channel="sms", labels={"campaign": "spring"})
            assert lab.shown("messages_accepted", campaign="summer") == 1
            assert lab.shown("messages_accepted", campaign="spring") is None
            assert lab.shown("messages_accepted", campaign="other") == 1


@in_virtual_time
async def test_the_ninth_currency_is_other_also_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        codes = ["USD", "UAH", "EUR", "PLN", "GBP", "CHF", "CZK"]
        await lab.offer(*codes, "none", "SEK", "NOK", "SEK2", channel="sms")
        for code in codes:
            lab.answer(code, "delivered", billAmount=1, billCurrency=code.lower())
        lab.answer("none", "delivered", billAmount=1, billCurrency="dollars")
        await lab.settle()
        await lab.restart()
        lab.answer("SEK", "delivered", billAmount=1, billCurrency="SEK")
        lab.answer("NOK", "delivered", billAmount=1, billCurrency="NOK")
        lab.answer("SEK2", "delivered", billAmount=1, billCurrency="SEK")
        await lab.settle()
        counts = {code: lab.shown("bill_amount", currency=code) for code in [*codes, "SEK", "NOK", "other"]}
        assert counts == {**dict.fromkeys(codes, 1), "SEK": 2, "NOK": None, "other": 2}


@in_virtual_time
async def test_a_label_value_of_an_account_and_another_are_two_sets() -> None:
    async with Lab(labels=CAMPAIGN, max_label_sets=1, accounts=[account("main"), account("two")]) as lab:
        await lab.offer("m1", channel="sms", labels={"campaign": "spring"})
        await lab.offer("m1", channel="sms", account="two", labels={"campaign": "spring"})
        assert lab.shown("messages_accepted", account="two", campaign="other") == 1

"""The lives of simulated messages: repeatable, in order, distributed as the profile says, and exact in money."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import ChannelProfile, Delay, Life, Oddities, Profile, Truth, demo, realistic
from exporter.simulator.draws import Draws
from exporter.simulator.fate import Request, life_of
from exporter.simulator.sending import parts_of

CHANNELS = ("sms", "viber_otp", "viber_promo", "rcs", "something_new")


def lives(profile: Profile, request: Request, count: int = 2000) -> list[Life]:
    return [life_of(profile, 1, Request(f"m{n}", request.channel, request.fallbacks)) for n in range(count)]


@given(seed=st.integers(0, 9), message_id=st.text(max_size=40), channel=st.sampled_from(CHANNELS))
def test_the_same_arguments_give_the_same_life(seed: int, message_id: str, channel: str) -> None:
    request = Request(message_id, channel, ("sms",))
    assert life_of(demo(), seed, request) == life_of(demo(), seed, request)


def test_the_first_life_of_seed_1_never_changes() -> None:
    life = life_of(realistic(), 1, Request("m1", "sms"))
    assert [state.status for state in life.states] == ["scheduled", "processing", "delivered"]
    assert [round(state.offset_seconds, 6) for state in life.states] == [0.0, 0.334219, 1.442451]


def test_seed_id_and_channel_each_change_the_life() -> None:
    base = life_of(realistic(), 1, Request("m1", "sms"))
    assert base != life_of(realistic(), 2, Request("m1", "sms"))
    assert base != life_of(realistic(), 1, Request("m2", "sms"))
    assert base != life_of(realistic(), 1, Request("m1", "rcs"))


@given(
    seed=st.integers(0, 10**6),
    channel=st.sampled_from(CHANNELS),
    fallbacks=st.sampled_from([(), ("sms",), ("sms", "email")]),
    profile=st.sampled_from([realistic(), demo(), realistic(time_scale=0.01)]),
)
def test_a_life_starts_scheduled_goes_on_in_order_and_ends_at_most_once(
    seed: int, channel: str, fallbacks: tuple[str, ...], profile: Profile
) -> None:
    life = life_of(profile, seed, Request("m", channel, fallbacks))
    offsets = [state.offset_seconds for state in life.states]
    assert offsets[0] == 0.0
    assert life.states[0].status.lower() == "scheduled"
    assert offsets == sorted(offsets)
    assert all(math.isfinite(offset) for offset in offsets)
    assert sum(state.final for state in life.states) <= 1
    assert all(bool(state.channels) == bool(fallbacks) for state in life.states)


def test_draws_are_uniform_and_go_on_beyond_one_block() -> None:
    draws = Draws("test")
    numbers = [draws.uniform() for _ in range(4000)]
    assert all(0 < number < 1 for number in numbers)
    assert len(set(numbers)) == len(numbers)
    assert statistics.mean(numbers) == pytest.approx(0.5, abs=0.02)


def test_default_times_follow_the_mixture_of_the_architecture() -> None:
    ends = [life.end.offset_seconds for life in lives(realistic(), Request("", "sms"), 5000) if life.end]
    assert len(ends) / 5000 == pytest.approx(0.98, abs=0.01)
    assert statistics.median(ends) == pytest.approx(6.1, abs=0.6)
    assert sum(end > 600 for end in ends) / 5000 == pytest.approx(0.085, abs=0.015)


def test_one_time_passwords_are_faster_than_promotions() -> None:
    otp, promo = (
        statistics.median(life.end.offset_seconds for life in lives(realistic(), Request("", name)) if life.end)
        for name in ("viber_otp", "viber_promo")
    )
    assert otp * 2 < promo


def test_about_a_tenth_of_viber_messages_use_their_fallback_and_it_takes_over_when_viber_failed() -> None:
    journeys = lives(realistic(), Request("", "viber_trans", ("sms",)))
    used = [life for life in journeys if dict(life.states[-1].channels)["sms"] != "not_used"]
    assert 0.05 < len(used) / len(journeys) < 0.2
    for life in used:
        takes_over = next(state for state in life.states if dict(state.channels)["sms"] != "not_used")
        assert dict(takes_over.channels) == {"viber": "undeliverable", "sms": "processing"}
        assert takes_over.status == "processing"
        assert takes_over.offset_seconds <= 300.0


def test_a_fallback_takes_over_when_its_time_has_come_or_the_failure_is_known_whichever_is_first() -> None:
    slow = ChannelProfile(delays=(Delay(1.0, 60.0, 0.01),), undeliverable=0.0, fallback_after_seconds=10.0)
    failing = ChannelProfile(delays=(Delay(1.0, 60.0, 0.01),), undeliverable=1.0, fallback_after_seconds=300.0)
    taken_over = {}
    for name, settings in (("slow", slow), ("failing", failing)):
        life = life_of(Profile(channels={"viber_otp": settings}), 1, Request("m", "viber_otp", ("sms",)))
        taken_over[name] = next(s.offset_seconds for s in life.states if dict(s.channels)["sms"] == "processing")
    assert taken_over == {"slow": 10.0, "failing": pytest.approx(60.0, rel=0.05)}


def test_without_a_delivery_the_whole_chain_is_tried_in_order() -> None:
    profile = Profile(other=ChannelProfile(delays=(), fallback_after_seconds=10.0))
    life = life_of(profile, 1, Request("m", "viber_otp", ("sms", "email")))
    assert life.truth is Truth.NEVER
    assert [(state.offset_seconds, state.channels[-1]) for state in life.states[2:]] == [
        (10.0, ("email", "not_used")),
        (20.0, ("email", "processing")),
    ]


def test_time_scale_shortens_every_time_and_changes_nothing_else() -> None:
    long = life_of(realistic(), 1, Request("m1", "viber_promo", ("sms",)))
    short = life_of(realistic(time_scale=0.5), 1, Request("m1", "viber_promo", ("sms",)))
    assert [s.status for s in short.states] == [s.status for s in long.states]
    assert [s.offset_seconds for s in short.states] == pytest.approx([s.offset_seconds / 2 for s in long.states])
    assert short.money == long.money


def test_a_delivery_costs_its_parts_at_the_price_of_the_delivering_channel_and_a_failure_nothing() -> None:
    for life in lives(realistic(), Request("", "viber_trans", ("sms",))):
        state = life.states[-1]
        if life.truth is Truth.DELIVERED:
            price = Decimal("0.012") if dict(state.channels)["viber"] == "delivered" else Decimal("0.05")
            assert life.money.cost == price * (life.parts or 0)
        elif state.final:
            assert str(life.money.cost) == "0.00"


def test_the_demo_shows_every_ending_and_oddity_within_two_minutes() -> None:
    shown = [
        life
        for channel, fallbacks in (("sms", ()), ("viber_promo", ("sms",)), ("viber_otp", ("sms",)))
        for life in lives(demo(), Request("", channel, fallbacks), 600)
    ]
    assert {life.truth for life in shown} == set(Truth)
    ends = sorted(life.end.offset_seconds for life in shown if life.end)
    assert ends[int(len(ends) * 0.99)] < 120
    assert {"sent", "Read", "DELIVERED"} <= {state.status for life in shown for state in life.states}
    assert any(0 < life.visible_after_seconds < math.inf for life in shown)
    assert any(life.numbers_as_text for life in shown)
    assert {life.money.bill_currency for life in shown} == {"USD", "UAH"}


def test_shares_of_oddities_are_obeyed() -> None:
    odd = Profile(other=ChannelProfile(delays=(Delay(1.0, 5.0, 0.1),)), oddities=Oddities(never_found=0.3))
    missing = sum(life.truth is Truth.NOT_FOUND for life in lives(odd, Request("", "sms")))
    assert missing / 2000 == pytest.approx(0.3, abs=0.03)


def test_a_scripted_life_is_in_the_state_that_began_last() -> None:
    life = Life.scripted([(0, "scheduled"), (2.0, "processing"), (4.2, "delivered")], cost="0.05")
    asked = {-5.0: 0, 0.0: 0, 1.999: 0, 2.0: 1, 4.199: 1, 4.2: 2, 1e9: 2}
    assert {elapsed: life.index_at(elapsed) for elapsed in asked} == asked
    assert life.truth is Truth.DELIVERED
    assert life.money.cost == Decimal("0.05")


def test_the_truth_is_the_first_final_state_where_a_poller_stops() -> None:
    assert Life.scripted([(0, "Undeliverable"), (1, "delivered")]).truth is Truth.UNDELIVERABLE
    assert Life.scripted([(0, "sent")]).truth is Truth.NEVER
    assert Life.scripted([(0, "delivered")], visible_after_seconds=math.inf).truth is Truth.NOT_FOUND


@pytest.mark.parametrize(
    ("text", "parts"),
    [("", 1), ("a" * 160, 1), ("a" * 161, 2), ("a" * 307, 3), ("ж" * 70, 1), ("ж" * 71, 2), ("ж" * 135, 3)],
)
def test_a_text_takes_as_many_parts_as_sms_do(text: str, parts: int) -> None:
    assert parts_of(text) == parts

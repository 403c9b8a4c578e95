"""Draws the life of a message from its profile: its channels in a row, times, parts, costs and oddities."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from exporter.simulator.draws import Draws
from exporter.simulator.lives import ZERO, Life, Money, State, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.simulator.profile import ChannelProfile, Oddities, Profile

_UNUSED: Final = "not_used"
_IN_FLIGHT: Final = "processing"


@dataclass(frozen=True, slots=True)
class Request:
    """The message as it was sent: what its life is a function of, together with seed and profile."""

    message_id: str
    channel: str
    fallbacks: tuple[str, ...] = ()
    """Channels to try after its own, in their order."""
    parts: int | None = None
    """As its text has them; None draws them."""


@dataclass(frozen=True, slots=True)
class _Leg:
    """The message on one channel of its chain, in seconds after sending."""

    starts_at: float
    ends_at: float
    truth: Truth


def life_of(profile: Profile, seed: int, request: Request) -> Life:
    """Return what becomes of a message; the same arguments always give the same life."""
    draws = Draws(seed, request.channel, request.message_id)
    chain = (request.channel, *request.fallbacks)
    legs = _legs(profile, seed, request.message_id, chain)
    states = tuple(_states(chain, legs, draws.lognormal(0.4, 0.5) * profile.time_scale))
    via = chain[len(legs) - 1]
    parts = (request.parts or _parts(profile.channel(via), draws)) if via == "sms" else 1
    money = _money(profile, via, parts, delivered=legs[-1].truth is Truth.DELIVERED)
    return _odd(Life(states=states, parts=parts, money=money), profile, draws)


def _legs(profile: Profile, seed: int, message_id: str, chain: tuple[str, ...]) -> list[_Leg]:
    """Return the channels that the message takes: the next one when one fails or is too slow."""
    legs: list[_Leg] = []
    at = 0.0
    for place, channel in enumerate(chain, start=1):
        settings = profile.channel(channel)
        leg = _leg(settings, Draws(seed, place, channel, message_id), at, profile.time_scale)
        gives_up_at = at + settings.fallback_after_seconds * profile.time_scale
        if place == len(chain) or (leg.truth is Truth.DELIVERED and leg.ends_at <= gives_up_at):
            return [*legs, leg]
        at = min(leg.ends_at, gives_up_at)
        legs.append(_Leg(leg.starts_at, at, Truth.UNDELIVERABLE))
    return legs


def _states(chain: tuple[str, ...], legs: list[_Leg], processing_seconds: float) -> Iterator[State]:
    statuses = ["scheduled", *(_UNUSED for _ in chain[1:])]
    yield _state(0.0, "scheduled", chain, statuses)
    for place, leg in enumerate(legs):
        begins_at = leg.starts_at if place else processing_seconds
        statuses[place] = _IN_FLIGHT
        if begins_at < leg.ends_at:
            yield _state(begins_at, _IN_FLIGHT, chain, statuses)
        statuses[place] = leg.truth.value
    if legs[-1].truth is not Truth.NEVER:
        yield _state(legs[-1].ends_at, legs[-1].truth.value, chain, statuses)


def _state(offset_seconds: float, status: str, chain: tuple[str, ...], statuses: list[str]) -> State:
    if len(chain) == 1:
        return State(offset_seconds, status)
    return State(offset_seconds, status, tuple(zip(map(_family, chain), statuses, strict=True)))


def _family(channel: str) -> str:
    """Return the name that extended statuses use: viber for viber_otp."""
    return channel.partition("_")[0]


def _leg(settings: ChannelProfile, draws: Draws, starts_at: float, scale: float) -> _Leg:
    pick, fate = draws.uniform(), draws.uniform()
    for delay in settings.delays:
        if pick < delay.share:
            seconds = draws.lognormal(delay.median_seconds, delay.sigma) * scale
            return _Leg(starts_at, starts_at + seconds, _ending(settings, fate))
        pick -= delay.share
    return _Leg(starts_at, math.inf, Truth.NEVER)


def _ending(settings: ChannelProfile, fate: float) -> Truth:
    if fate < settings.undeliverable:
        return Truth.UNDELIVERABLE
    if fate < settings.undeliverable + settings.permanent_error:
        return Truth.PERMANENTERROR
    return Truth.DELIVERED


def _parts(settings: ChannelProfile, draws: Draws) -> int:
    pick = draws.uniform()
    if pick >= settings.multipart:
        return 1
    return 2 if pick < settings.multipart * 0.75 else 3


def _money(profile: Profile, via: str, parts: int, *, delivered: bool) -> Money:
    """Return what the channel charges; a failure costs 0.00."""
    settings = profile.channel(via)
    amount = settings.price * parts if delivered else ZERO
    return Money(
        cost=amount,
        rate=settings.price,
        rate_amount=amount,
        rate_currency=profile.rate_currency,
        bill_amount=amount * settings.bill_per_rate,
        bill_currency=settings.bill_currency,
    )


def _odd(life: Life, profile: Profile, draws: Draws) -> Life:
    odd = profile.oddities
    states = _odd_states(life.states, odd, draws, profile.time_scale)
    visible = _visible_after(odd, draws, profile.time_scale)
    as_text = draws.uniform() < odd.numbers_as_text
    return replace(life, states=states, visible_after_seconds=visible, numbers_as_text=as_text)


def _odd_states(states: tuple[State, ...], odd: Oddities, draws: Draws, scale: float) -> tuple[State, ...]:
    sent, read, capitals = draws.uniform(), draws.uniform(), draws.uniform()
    last = states[-1]
    if sent < odd.extra_sent and last.final and len(states) > 1:
        before = states[-2]
        middle = (before.offset_seconds + last.offset_seconds) / 2
        states = (*states[:-1], replace(before, offset_seconds=middle, status="sent"), last)
    if read < odd.read_later and last.status == Truth.DELIVERED.value:
        later = last.offset_seconds + 20.0 * scale
        states = (*states, replace(last, offset_seconds=later, status="Read"))
    if capitals < odd.odd_case:
        states = tuple(replace(state, status=state.status.upper()) for state in states)
    return states


def _visible_after(odd: Oddities, draws: Draws, scale: float) -> float:
    pick = draws.uniform()
    if pick < odd.never_found:
        return math.inf
    if pick < odd.never_found + odd.found_late:
        return (2.0 + 6.0 * draws.uniform()) * scale
    return -math.inf

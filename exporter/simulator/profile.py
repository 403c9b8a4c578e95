"""How the simulated channels behave: times to delivery, failures, prices and oddities, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Delay:
    """A share of the messages, and the log-normal time that they need."""

    share: float
    median_seconds: float
    sigma: float


MIXTURE: Final = (Delay(0.70, 4.0, 0.8), Delay(0.20, 60.0, 1.0), Delay(0.08, 7200.0, 1.2))
"""Times to delivery of the architecture's simulation; the 2 % that are left never end."""


@dataclass(frozen=True, slots=True)
class ChannelProfile:
    """How messages of one channel fare."""

    delays: tuple[Delay, ...] = MIXTURE
    """What no share is left for never ends."""
    undeliverable: float = 0.02
    """Share of those that end."""
    permanent_error: float = 0.01
    """Share of those that end."""
    fallback_after_seconds: float = 300.0
    """Not delivered by then, the message goes on to its fallback, if it has one."""
    price: Decimal = Decimal("0.05")
    """Of a part, in the rate currency."""
    multipart: float = 0.0
    """Share of messages of two parts or three, when no text tells."""
    bill_currency: str = "USD"
    bill_per_rate: Decimal = Decimal(1)
    """What one unit of the rate currency is in the bill's."""


@dataclass(frozen=True, slots=True)
class Oddities:
    """Shares of the messages whose answers are odd in one way; none in the realistic profile."""

    never_found: float = 0.0
    """404 for ever."""
    found_late: float = 0.0
    """404 for the first seconds."""
    extra_sent: float = 0.0
    """Status `sent`, which is not documented, between processing and the end."""
    read_later: float = 0.0
    """Status `Read` some time after delivered."""
    odd_case: float = 0.0
    """Statuses in capitals."""
    numbers_as_text: float = 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """All channels together."""

    channels: Mapping[str, ChannelProfile] = field(default_factory=dict)
    other: ChannelProfile = field(default_factory=ChannelProfile)
    """Of channels that are not listed."""
    oddities: Oddities = field(default_factory=Oddities)
    rate_currency: str = "USD"
    time_scale: float = 1.0
    """Every time is multiplied by it."""

    def channel(self, name: str) -> ChannelProfile:
        """Return how messages of this channel fare."""
        return self.channels.get(name, self.other)


_PRICES: Final = (
    ("sms", "0.05"),
    ("viber_promo", "0.018"),
    ("viber_trans", "0.012"),
    ("viber_carousel", "0.03"),
    ("viber_survey", "0.025"),
    ("viber_otp", "0.015"),
    ("rcs", "0.03"),
    ("flashcall", "0.01"),
)
_OTP: Final = (Delay(0.95, 3.0, 0.6), Delay(0.04, 20.0, 0.8))
_PROMO: Final = (Delay(0.55, 6.0, 0.9), Delay(0.25, 90.0, 1.0), Delay(0.17, 7200.0, 1.2))
_DEMO: Final = (Delay(0.74, 3.0, 0.8), Delay(0.18, 12.0, 0.8), Delay(0.05, 30.0, 0.5))
_DEMO_PROMO: Final = (Delay(0.55, 4.0, 0.9), Delay(0.32, 15.0, 0.8), Delay(0.10, 35.0, 0.5))
_DEMO_OTP: Final = (Delay(0.95, 2.0, 0.6), Delay(0.03, 12.0, 0.6))


def realistic(*, time_scale: float = 1.0) -> Profile:
    """Return the default profile: one-time passwords fast, promotions slow, a tail of hours."""
    channels = _with_prices(ChannelProfile())
    for name in ("viber_otp", "flashcall"):
        channels[name] = replace(channels[name], delays=_OTP, fallback_after_seconds=30.0)
    for name in ("viber_promo", "viber_carousel", "viber_survey"):
        channels[name] = replace(channels[name], delays=_PROMO, fallback_after_seconds=3600.0)
    return Profile(channels=MappingProxyType(channels), time_scale=time_scale)


def demo() -> Profile:
    """Return a profile in which every outcome and every oddity appears within a minute or two."""
    base = ChannelProfile(delays=_DEMO, undeliverable=0.04, permanent_error=0.03, fallback_after_seconds=25.0)
    channels = _with_prices(base)
    for name in ("viber_otp", "flashcall"):
        channels[name] = replace(channels[name], delays=_DEMO_OTP, fallback_after_seconds=8.0)
    for name in ("viber_promo", "viber_carousel", "viber_survey"):
        promo = replace(channels[name], delays=_DEMO_PROMO, fallback_after_seconds=35.0)
        channels[name] = replace(promo, bill_currency="UAH", bill_per_rate=Decimal("41.5"))
    oddities = Oddities(
        never_found=0.02, found_late=0.05, extra_sent=0.05, read_later=0.05, odd_case=0.05, numbers_as_text=0.05
    )
    return Profile(channels=MappingProxyType(channels), other=base, oddities=oddities)


def never_ending() -> Profile:
    """Return a profile in which every message stays in flight for ever, for measuring a steady load."""
    return Profile(other=ChannelProfile(delays=(), fallback_after_seconds=math.inf))


def _with_prices(base: ChannelProfile) -> dict[str, ChannelProfile]:
    channels = {name: replace(base, price=Decimal(price)) for name, price in _PRICES}
    channels["sms"] = replace(channels["sms"], multipart=0.2)
    return channels

"""The scene of the demo: two simulated APIs, what goes wrong with them, and the exporter's configuration."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from exporter.config import load
from exporter.simulator import Fault, FaultKind, Latency, Profile, Refusals, SimAccount, Simulator, Webhook
from exporter.simulator import demo as demo_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.clock import Clock
    from exporter.config import Config

SHOP: Final = "shop"
CLINIC: Final = "clinic"
API_KEY: Final = "demo-key"
USERNAME: Final = "demo"
_WORD: Final = "demo-word"
_WEBHOOK_TOKEN: Final = "demo-webhook-token"  # noqa: S105
_TOLD: Final = 0.7
"""The share of messages that SMSBat's webhook comes for; the others' webhooks are missed."""
CREDENTIALS: Final = {"API_KEY": API_KEY, "USERNAME": USERNAME, "PASSWORD": _WORD}
"""Of every simulated account here; there is nothing behind them."""

CONFIG_FILE: Final = Path(__file__).with_name("config.yaml")
_FORGET_AFTER_SECONDS: Final = 600.0
"""Longer than anybody asks about a message."""

# One draw decides about all faults of kind `status`, so each share includes those before it.
_FAULTS: Final = (
    Fault(kind=FaultKind.STATUS, status=401, share=0.003),
    Fault(kind=FaultKind.STATUS, status=429, share=0.006, retry_after=2),
    Fault(kind=FaultKind.STATUS, status=400, share=0.012),
    Fault(kind=FaultKind.STATUS, status=503, share=0.02),
    Fault(kind=FaultKind.STATUS, status=204, share=0.025),
    Fault(kind=FaultKind.HANG, share=0.006),
    Fault(kind=FaultKind.RESET, share=0.006),
    Fault(kind=FaultKind.HTML, share=0.006),
    Fault(kind=FaultKind.WRONG_ID, share=0.006),
    Fault(kind=FaultKind.BAD_UTF8, share=0.006),
    Fault(kind=FaultKind.NAN, share=0.006),
)


def account(name: str) -> SimAccount:
    """Return a simulated account that takes all credentials of the demo."""
    return SimAccount(name=name, api_key=API_KEY, username=USERNAME, password=_WORD)


def simulators(clock: Clock) -> Mapping[str, Simulator]:
    """Return the API of each account, not yet started; the second one is another region's, and charges in euro."""
    return {
        SHOP: _simulator(SHOP, demo_profile(), 1, clock),
        CLINIC: _simulator(CLINIC, _in_euro(demo_profile()), 2, clock),
    }


def _simulator(name: str, profile: Profile, seed: int, clock: Clock) -> Simulator:
    simulator = Simulator(
        accounts=[account(name)],
        seed=seed,
        clock=clock,
        profile=profile,
        refusals=Refusals(rejected=0.01, failed=0.01),
        latency=Latency(),
        keep_arrivals=False,
        forget_after_seconds=_FORGET_AFTER_SECONDS,
    )
    simulator.faults.set(*_FAULTS)
    return simulator


def _in_euro(profile: Profile) -> Profile:
    channels = {
        name: replace(channel, bill_currency="EUR", bill_per_rate=Decimal(1))
        for name, channel in profile.channels.items()
    }
    return replace(profile, channels=channels, rate_currency="EUR")


def config(urls: Mapping[str, str]) -> Config:
    """Read the demo's configuration, for the APIs at these URLs by account."""
    return load(
        CONFIG_FILE,
        {"SHOP_URL": urls[SHOP], "CLINIC_URL": urls[CLINIC], "WEBHOOK_TOKEN": _WEBHOOK_TOKEN, **CREDENTIALS},
    )


def tell(simulator: Simulator, url: str) -> None:
    """Have the shop's webhooks sent to a listener at this URL."""
    simulator.webhooks.set(SHOP, Webhook(url=f"{url}/webhook/{SHOP}", token=_WEBHOOK_TOKEN, share=_TOLD))

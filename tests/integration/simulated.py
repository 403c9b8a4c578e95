"""The simulated API that the exporter's process is pointed at."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from exporter.simulator import Life, Profile, Refusals, SimAccount, Simulator
from tests.integration.configs import KEY


@contextlib.asynccontextmanager
async def simulated(
    *accounts: SimAccount, profile: Profile | None = None, refusals: Refusals | None = None
) -> AsyncIterator[Simulator]:
    """Run a simulated API while the block lasts; of one account `main` unless told otherwise."""
    simulator = Simulator(accounts=accounts or [caller()], profile=profile, refusals=refusals)
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.close()


def caller(name: str = "main", key: str = KEY) -> SimAccount:
    """Return an account that may ask as often as it likes."""
    return SimAccount(name=name, api_key=key, requests_per_second=None)


def delivered_after(seconds: float, cost: str = "0.05") -> Life:
    """Return a life that is processing from the start, and delivered after some seconds."""
    return Life.scripted([(0.0, "processing"), (seconds, "delivered")], cost=cost)


ENDLESS = Life.scripted([(0.0, "processing")])
"""It stays in flight."""


def calls(simulator: Simulator, account: str = "main") -> int:
    """Return how many status calls of an account came."""
    return len(simulator.ledger.account_arrivals.get(account, ()))

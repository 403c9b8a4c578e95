"""Asks SMSBat for a made-up message with each account's credentials, to see whether they are any good."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from exporter.client import Client, NoResponse
from exporter.config import SecretError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Account, Config


async def probe(config: Config, say: Callable[[str], None]) -> int:
    """Say of each account whether SMSBat accepts it; returns 0 when it accepts all of them, else 1."""
    verdicts = [await _verdict(account) for account in config.accounts]
    for account, (verdict, why) in zip(config.accounts, verdicts, strict=True):
        say(f"account {account.name}: {verdict} ({why})")
    return 0 if all(verdict == "accepted" for verdict, _ in verdicts) else 1


async def _verdict(account: Account) -> tuple[str, str]:
    try:
        client = Client(account)
    except SecretError as error:
        return "undetermined", f"the secret {error}"
    try:
        response = await client.get(f"probe-{uuid.uuid4()}", time.time())
    finally:
        await client.close()
    if isinstance(response, NoResponse):
        return "undetermined", response.result.value
    if response.code in {200, 404}:
        return "accepted", f"HTTP {response.code}"
    return "refused" if response.code in {401, 403} else "undetermined", f"HTTP {response.code}"

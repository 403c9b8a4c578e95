"""Configurations for the exporter's process: JSON, which is YAML too."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Final

KEY: Final = "key-5f3c9a"
"""The secret of the accounts in these tests; it must show up nowhere."""

Entry = Mapping[str, object]

EVERY_SECOND: Final[Entry] = {"first": "1s", "interval": "1s", "backoff": 1, "max_interval": "1s", "timeout": "1h"}


def account(base_url: str, name: str = "main", **more: object) -> Entry:
    """Return an account that may ask as often as it likes, unless told otherwise."""
    auth = {"method": "header", "api_key": KEY}
    budget = {"requests_per_second": 5000, "burst": 5000, "max_concurrency": 100}
    return {"name": name, "base_url": base_url, "auth": auth, **budget, **more}


def message(message_id: str, channel: str = "sms", sent_at: float | None = None, **more: object) -> Entry:
    """Return an entry of `messages`."""
    entry: dict[str, object] = {"id": message_id, "channel": channel, **more}
    if sent_at is not None:
        moment = dt.datetime.fromtimestamp(sent_at, dt.UTC).isoformat(timespec="milliseconds")
        entry["sent_at"] = moment.replace("+00:00", "Z")
    return entry


def config(accounts: Sequence[Entry], messages: Sequence[Entry] = (), **settings: object) -> str:
    """Return a configuration whose messages are asked about every second."""
    document = {
        "accounts": accounts,
        "polling": [EVERY_SECOND],
        "zero_hold": "0s",
        "store": {"path": "state.db"},
        "messages": messages,
        **settings,
    }
    return json.dumps(document, indent=1)

"""The simulated accounts: who calls, by three ways to authenticate, how often they may, and where they are told."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

API_KEY_HEADER: Final = "X-Authorization-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where an account's webhooks go."""

    url: str = field(repr=False)
    """May hold the token as its last part, as SMSBat's own must."""
    token: str | None = field(default=None, repr=False)
    """Sent as a bearer token."""
    tries: int = 3
    retry_seconds: float = 1.0
    """Between two tries, in real time."""
    share: float = 1.0
    """Of the messages that are told about; the same ones with each seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimAccount:
    """An account that the simulated API knows; each of its credentials is good for every call."""

    name: str
    api_key: str | None = field(default=None, repr=False)
    """Sent as a header, or as the password of the user `@`."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    requests_per_second: float | None = 50.0
    """Of status calls; None: no limit."""
    burst: float = 75.0
    retry_after: Literal["none", "seconds", "date"] = "none"
    """What an answer 429 says about when to come back."""
    webhook: Webhook | None = None


class Bucket:
    """A token bucket: a burst of calls, then so many a second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """Take a token and return 0.0, or take none and return how long it is until there is one."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate


@dataclass(frozen=True, slots=True)
class Caller:
    """An account as the server keeps it."""

    account: SimAccount
    bucket: Bucket | None


class Doors:
    """Finds the account that a call's credentials belong to."""

    def __init__(self, accounts: Iterable[SimAccount], now: float) -> None:
        self._by_key: dict[str, Caller] = {}
        self._by_basic: dict[str, Caller] = {}
        for account in accounts:
            self._open(account, now)

    def _open(self, account: SimAccount, now: float) -> None:
        rate = account.requests_per_second
        caller = Caller(account, None if rate is None else Bucket(rate, account.burst, now))
        if account.api_key is not None:
            self._by_key[account.api_key] = caller
            self._by_basic[_basic("@", account.api_key)] = caller
        if account.username is not None and account.password is not None:
            self._by_basic[_basic(account.username, account.password)] = caller

    def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Return who calls, or None when the credentials are missing or wrong."""
        key = headers.get(API_KEY_HEADER)
        if key is not None:
            return self._by_key.get(key)
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return self._by_basic.get(token) if scheme.lower() == "basic" else None


def _basic(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()

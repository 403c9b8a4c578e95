"""The lines to SMSBat: of each account its address, its credentials and the connections that sends go over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from exporter import __version__
from exporter.client import Client

if TYPE_CHECKING:
    from exporter.client import Credentials
    from exporter.config import Account

_CONNECTIONS: Final = 100
_SHORTEST_TIMEOUT_SECONDS: Final = 30.0
"""A send of thousands of messages takes longer than a status call."""


class Line:
    """The way of one account to SMSBat; made inside a running event loop."""

    def __init__(self, account: Account) -> None:
        """Open nothing yet; raises SecretError when the account has no usable secret."""
        self.account = account
        self.client = Client(account)
        """Makes the status calls that count against the account's budget."""
        self.timeout_seconds = max(account.request_timeout, _SHORTEST_TIMEOUT_SECONDS)
        self.session = _session(account)
        self._base = URL(account.base_url.rstrip("/"))
        self._prefix = self._base.raw_path.rstrip("/")
        self._holders = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        """The account's name."""
        return self.account.name

    @property
    def credentials(self) -> Credentials:
        """The account's own credentials."""
        return self.client.credentials

    def url(self, path: str, query: str = "") -> URL:
        """Return the address of one of SMSBat's calls; path and query are encoded already."""
        return URL.build(
            scheme=self._base.scheme,
            authority=self._base.raw_authority,
            path=self._prefix + path,
            query_string=query,
            encoded=True,
        )

    def hold(self) -> None:
        """Keep the connections open until `release`."""
        self._holders += 1
        self._idle.clear()

    def release(self) -> None:
        """Let go of the connections."""
        self._holders -= 1
        if not self._holders:
            self._idle.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the connections open meanwhile."""
        self.hold()
        try:
            yield
        finally:
            self.release()

    async def retire(self) -> None:
        """Close the connections once nobody uses them."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()
        await self.client.close()


def _session(account: Account) -> aiohttp.ClientSession:
    """Open a pool that adds nothing of the caller's, undoes no compression, and keeps no cookie."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"User-Agent": f"smsbat-exporter/{__version__}", "Accept-Encoding": "identity"},
        skip_auto_headers=("Accept", "Content-Type"),
        proxy=account.proxy_url,
        timeout=aiohttp.ClientTimeout(total=None),
    )
    # aiohttp repeats what it takes for idempotent when a kept-alive connection drops; it offers no public switch.
    session._retry_connection = False  # noqa: SLF001
    return session

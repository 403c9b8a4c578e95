"""One HTTP GET to SMSBat, authenticated; what the answer means is not its business."""

from __future__ import annotations

import base64
import email.utils
from datetime import UTC
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
from yarl import URL

from exporter import __version__
from exporter.config.secrets import SecretReader
from exporter.message import PollResult
from exporter.reading import MAX_BODY_BYTES
from exporter.timeouts import Timeouts

if TYPE_CHECKING:
    from exporter.config import Account

_LOOK_EVERY_SECONDS: Final = 1.0


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer as it came; `body` is cut after MAX_BODY_BYTES + 1 bytes."""

    code: int
    body: bytes
    retry_after: str | None
    content_type: str | None = None
    content_encoding: str | None = None


class NoResponse(msgspec.Struct, frozen=True, gc=False):
    """No answer came."""

    result: PollResult


class Credentials:
    """The headers that tell SMSBat who is asking, in each of its three ways; follows a secret's file."""

    def __init__(self, account: Account) -> None:
        """Read the secrets; raises SecretError when there is none to start with."""
        auth = account.auth
        self._method = auth.method
        self._username = auth.username or ""
        secret = auth.password if auth.method == "basic" else auth.api_key
        if secret is None:
            raise ValueError("the configuration model lets no account pass without a secret")
        self._reader = SecretReader(secret)
        self._looked_at = 0.0
        self._value = ""
        self.headers: dict[str, str] = {}
        self._use(self._reader.current())

    @property
    def problem(self) -> str | None:
        """What is wrong with the secret's file now."""
        return self._reader.problem

    def look(self, now: float) -> bool:
        """Follow the file, looking at most once a second; returns whether the secret is another one now."""
        if 0.0 <= now - self._looked_at < _LOOK_EVERY_SECONDS:
            return False
        self._looked_at = now
        return self._use(self._reader.current())

    def look_again(self) -> bool:
        """Read the file whatever its times say, after a refusal; returns whether the secret is another one now."""
        return self._use(self._reader.reread())

    def _use(self, value: str) -> bool:
        if value == self._value:
            return False
        self._value = value
        if self._method == "header":
            self.headers = {"X-Authorization-Key": value}
        else:
            name = self._username if self._method == "basic" else "@"
            token = base64.b64encode(f"{name}:{value}".encode()).decode()
            self.headers = {"Authorization": f"Basic {token}"}
        return True


class Client:
    """One account's connection pool; made inside a running event loop."""

    def __init__(self, account: Account) -> None:
        """Open nothing yet; raises SecretError when the account has no usable secret."""
        self.credentials = Credentials(account)
        self._base = URL(account.base_url.rstrip("/"))
        self._prefix = self._base.raw_path.rstrip("/") + "/bat/message/"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=account.max_concurrency),
            # What must not happen stays off: cookies, proxies of the environment, an unbounded gunzip.
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            headers={
                "User-Agent": f"smsbat-exporter/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            proxy=account.proxy_url,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        # aiohttp repeats a GET at once when a kept-alive connection drops: a second poll of a message within a
        # second, outside the budget. It offers no public switch.
        self._session._retry_connection = False  # noqa: SLF001
        self._timeouts = Timeouts(account.request_timeout)
        self._headers: dict[str, str] = {}

    async def get(self, message_id: str, now: float) -> Response | NoResponse:
        """Ask for one message's status once; follows no redirect, repeats nothing, raises nothing expected."""
        self._follow_credentials(now)
        url = self._base.with_path(self._prefix + message_id, encoded=True)
        try:
            with self._timeouts:
                async with self._session.get(url, allow_redirects=False) as response:
                    body = await _body(response)
                    headers = response.headers
                    return Response(
                        response.status,
                        body,
                        headers.get("Retry-After"),
                        headers.get("Content-Type"),
                        headers.get("Content-Encoding"),
                    )
        except TimeoutError:
            return NoResponse(PollResult.TIMEOUT)
        except aiohttp.ClientPayloadError:
            return NoResponse(PollResult.UNREADABLE)
        except (aiohttp.ClientError, OSError, ValueError):
            return NoResponse(PollResult.CONNECTION_ERROR)

    def _follow_credentials(self, now: float) -> None:
        """Keep the credentials in the session's own headers: merging them into each request's costs more."""
        self.credentials.look(now)
        if self._headers is not self.credentials.headers:
            self._headers = self.credentials.headers
            self._session.headers.update(self._headers)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()
        self._timeouts.close()


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Read what an answer can have; the rest is left unread, and its connection is not used again."""
    content = response.content
    body = await content.read(MAX_BODY_BYTES + 1)
    while len(body) <= MAX_BODY_BYTES and not content.at_eof():
        body += await content.read(MAX_BODY_BYTES + 1 - len(body))
    if len(body) > MAX_BODY_BYTES:
        response.close()
    return body


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """Return what a Retry-After header asks for, given as seconds or as a date; None when it cannot be read."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = email.utils.parsedate_to_datetime(text)
        # HTTP's dates are all GMT, those that do not say so included.
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None

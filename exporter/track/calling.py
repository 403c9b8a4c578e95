"""Calls to the API listener of a running exporter; what their answers mean is not its business."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from exporter import __version__
from exporter.config import SecretError
from exporter.config.secrets import read_secret_file
from exporter.track.exits import Exit
from exporter.track.problems import CannotTrackError, UsageError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_UNIX: Final = "unix:"
_ANSWER_SECONDS: Final = 15.0
_LONGEST_SHOWN: Final = 200
_LONGEST_PAUSE_SECONDS: Final = 60.0


class Answer(msgspec.Struct, frozen=True):
    """What the exporter answered; `pause_seconds` is what its Retry-After asks for."""

    code: int
    body: bytes
    pause_seconds: float | None

    @property
    def said(self) -> str:
        """What an error says, fit for a terminal."""
        try:
            return f"{self.code}: {shown(msgspec.json.decode(self.body, type=_ErrorAnswer).error.message)}"
        except (msgspec.DecodeError, UnicodeDecodeError):
            return f"{self.code}, in words that are not an exporter's"


class Unreachable(msgspec.Struct, frozen=True):
    """No answer came."""

    why: str


class _Error(msgspec.Struct):
    message: str


class _ErrorAnswer(msgspec.Struct):
    error: _Error


class Calls:
    """A connection pool to one exporter."""

    def __init__(self, url: str, token: str | None, at_once: int) -> None:
        """Take a checked base URL, the token if it wants one, and how many calls there may be at a time."""
        self.url = url
        headers = {"User-Agent": f"smsbat-exporter/{__version__}", "Accept": "application/json"}
        if token is not None:
            headers["X-Exporter-Token"] = token
        self._base = url
        connector: aiohttp.BaseConnector
        if url.startswith(_UNIX):
            connector, self._base = aiohttp.UnixConnector(url.removeprefix(_UNIX), limit=at_once), "http://localhost"
        else:
            connector = aiohttp.TCPConnector(limit=at_once)
        # The token is for this exporter alone: no proxy of the environment, and below no redirect.
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, trust_env=False)

    async def __aenter__(self) -> Self:
        """Hand itself over."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()

    async def post(self, path: str, body: bytes) -> Answer | Unreachable:
        """Send a JSON body."""
        return await self._call("POST", path, {}, body, _ANSWER_SECONDS)

    async def get(self, path: str, query: Mapping[str, str], wait_seconds: float) -> Answer | Unreachable:
        """Ask for something that the exporter may take so long to answer."""
        return await self._call("GET", path, query, None, max(0.0, wait_seconds) + _ANSWER_SECONDS)

    async def _call(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, seconds: float
    ) -> Answer | Unreachable:
        headers = {} if body is None else {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.request(
                *(method, self._base + path),
                params=query,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return Answer(response.status, await response.read(), _pause(response.headers.get("Retry-After")))
        except TimeoutError:
            return Unreachable("no answer in time")
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            return Unreachable(os.strerror(number) if number and number > 0 else error.os_error.strerror or "no route")
        except (aiohttp.ClientError, OSError):
            return Unreachable("the connection broke off")

    def cannot(self, why: str) -> CannotTrackError:
        """Return the error that names the exporter, and why it is of no use."""
        return CannotTrackError(Exit.UNAVAILABLE, f"the exporter at {self.url} {why}")

    def refused(self, answer: Answer) -> CannotTrackError:
        """Return the error of an answer that will not get better by itself."""
        hints = {
            401: "; its token is read from --via-token-file, or the file that SMSBAT_EXPORTER_TOKEN_FILE names",
            404: "; is this its --api.listen-address (port 10768)?",
        }
        return self.cannot(f"answers {answer.said}{hints.get(answer.code, '')}")


def check_url(url: str) -> str:
    """Return the base URL without a final slash, or `unix:PATH`; raise UsageError, which quotes nothing of it."""
    if url.startswith(_UNIX) and url != _UNIX and url.isprintable():
        return url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise UsageError(
            "--via: must be the URL of an API listener, such as http://127.0.0.1:10768 or unix:/run/api.sock"
        )
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise UsageError("--via: must hold no user name, password, query or fragment")
    return url.rstrip("/")


def read_token(file: str | None) -> str | None:
    """Return the token in a file, None without one; raises UsageError, which names the file."""
    if file is None:
        return None
    try:
        return read_secret_file(Path(file))[0]
    except SecretError as error:
        raise UsageError(f"the token file {file} {error}") from None


def shown(text: str) -> str:
    """Return text of the exporter's fit for a terminal: printable, on one line, and not long."""
    return "".join(each if each.isprintable() else "?" for each in text[:_LONGEST_SHOWN])


def _pause(retry_after: str | None) -> float | None:
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()):
        return None
    return min(float(retry_after[:9]), _LONGEST_PAUSE_SECONDS)

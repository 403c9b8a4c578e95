"""Users with passwords: HTTP Basic against bcrypt hashes, checked off the event loop, and once a password."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

_LONGEST_BYTES: Final = 72
"""Of a password: what bcrypt looks at."""
_MOST_WAITING: Final = 20
"""A second's worth of checks."""


class BusyError(Exception):
    """So many passwords wait to be checked that another one has to come again."""


class _Given(NamedTuple):
    name: str
    password: bytes


class Users:
    """Remembers the last password of each user that was right, as a digest: a check takes tens of milliseconds."""

    def __init__(self) -> None:
        """Remember nobody."""
        self._key = secrets.token_bytes()
        self._proven: dict[str, tuple[str, bytes]] = {}
        self._one_at_a_time = asyncio.Lock()
        """Guesses, however many, keep one core busy at the most, and nobody waits for them whose password is known."""
        self._waiting = 0

    async def knows(
        self, hashes: Mapping[str, SecretStr], authorization: str, is_gone: Callable[[], bool] = lambda: False
    ) -> bool:
        """Tell whether an Authorization header names one of the users, with the password; raises BusyError.

        `is_gone` says whether nobody waits for the answer any more.
        """
        given = _given(authorization)
        if given is None or len(given.password) > _LONGEST_BYTES:
            return False
        known = hashes.get(given.name)
        if known is not None and self._remembers(given, known):
            return True
        if self._waiting >= _MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                if known is not None and self._remembers(given, known):
                    return True
                # A name that nobody has takes as long as the name that takes longest.
                hashed = (known or max(hashes.values(), key=_cost)).get_secret_value()
                fits = not is_gone() and await asyncio.to_thread(_fits, given.password, hashed.encode())
        finally:
            self._waiting -= 1
        if known is None or not fits:
            return False
        self._proven[given.name] = hashed, self._digest(given.password)
        return True

    def _remembers(self, given: _Given, known: SecretStr) -> bool:
        hashed, digest = self._proven.get(given.name, ("", b""))
        return hashed == known.get_secret_value() and hmac.compare_digest(digest, self._digest(given.password))

    def _digest(self, password: bytes) -> bytes:
        return hmac.digest(self._key, password, "sha256")


def _given(authorization: str) -> _Given | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return _Given(name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _cost(hashed: SecretStr) -> str:
    return hashed.get_secret_value().split("$")[2]


def _fits(password: bytes, hashed: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 (only where there are users)

    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # such as a NUL, which no hash is of
        return False

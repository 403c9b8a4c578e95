"""Tells whose account a relayed request is, by the credentials that it carries."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from multidict import CIMultiDict, MultiMapping

from exporter.intake.relay.headers import credentials_in, outgoing
from exporter.intake.relay.lines import Line
from exporter.labels import OTHER

_KEY_USER: Final = b"@:"
"""SMSBat takes an API key also as the password of this user."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose request it is, and how it goes out."""

    line: Line
    """The account that it goes to."""
    own: bool
    """The credentials are that account's."""
    headers: CIMultiDict[str]

    @property
    def label(self) -> str:
        """The account as a label value; what is nobody's may be a stranger's."""
        return self.line.name if self.own else OTHER


def caller(received: MultiMapping[str], lines: Sequence[Line], *, may_borrow: bool) -> Caller:
    """Say whose request it is, given the accounts that it may be of, the first of which takes what is nobody's.

    `may_borrow` lets a caller without credentials use those of that account.
    """
    headers = outgoing(received)
    if credentials_in(headers):
        line = owner(headers, lines)
        return Caller(line=lines[0] if line is None else line, own=line is not None, headers=headers)
    if may_borrow:
        headers.update(lines[0].credentials.headers)
    return Caller(line=lines[0], own=may_borrow, headers=headers)


def owner(headers: MultiMapping[str], lines: Iterable[Line]) -> Line | None:
    """Return the line of the account whose credentials these are, the first of several; None when they are nobody's.

    All three ways to authenticate are one: a user and a password. A request with several credentials is an
    account's only when all of them are, and the time taken does not depend on how much of a secret fits.
    """
    claims = [_claim(name, value) for name, value in credentials_in(headers).items()]
    if not claims:
        return None
    owners = [line for line in lines if _fits(claims, line)]
    return owners[0] if owners else None


def _fits(claims: list[bytes | None], line: Line) -> bool:
    (own,) = (_claim(name, value) for name, value in line.credentials.headers.items())
    matches = [hmac.compare_digest(claim or b"", own or b"") for claim in claims]
    return all(matches)


def _claim(name: str, value: str) -> bytes | None:
    """Return user and password as they are under Base64; None when that cannot be read."""
    raw = value.strip().encode("utf-8", "surrogateescape")
    if name.lower() == "x-authorization-key":
        return _KEY_USER + raw
    scheme, _, token = raw.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        return base64.b64decode(token.strip(), validate=True)
    except binascii.Error:
        return None

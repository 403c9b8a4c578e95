"""The send call: which messages of a request are accepted, under which ids, and what SMSBat answers."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from exporter.simulator.draws import chance
from exporter.simulator.fate import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGES: Final = 5000
"""A request; SMSBat's own limit."""

_PLAIN_PART, _PLAIN_JOINED = 160, 153
_UNICODE_PART, _UNICODE_JOINED = 70, 67


class OutgoingFallback(msgspec.Struct, frozen=True):
    """Where a message goes when its own channel fails; may name a further one."""

    type: str
    text: str = ""
    fallback: OutgoingFallback | None = None


class Outgoing(msgspec.Struct, frozen=True, rename="camel"):
    """One message to send; fields that change nothing here are ignored."""

    to: str = ""
    type: str = ""
    text: str = ""
    customer_message_id: str | None = None
    fallback: OutgoingFallback | None = None


class Batch(msgspec.Struct, frozen=True):
    """The body of a send call."""

    messages: list[Outgoing]


@dataclass(frozen=True, slots=True)
class Refusals:
    """Shares of the sent messages that SMSBat does not take."""

    rejected: float = 0.0
    failed: float = 0.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one message of the request."""

    request: Request
    status: str
    """accepted, rejected or failed."""
    outgoing: Outgoing

    def answer(self) -> dict[str, object]:
        """Return its entry in SMSBat's answer."""
        entry: dict[str, object] = {
            "messageId": self.request.message_id,
            "status": self.status,
            "parts": self.request.parts,
            "to": self.outgoing.to,
        }
        if self.outgoing.customer_message_id is not None:
            entry["customerMessageId"] = self.outgoing.customer_message_id
        return entry


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where the ids of a request's messages come from: seed, account, and how many were sent before."""

    seed: int
    account: str
    first: int


def send(batch: Batch, numbering: Numbering, refusals: Refusals) -> Iterator[Sent]:
    """Decide on each message, in order; the n-th message of an account always gets the same id."""
    for number, outgoing in enumerate(batch.messages, start=numbering.first):
        message_id = _message_id(numbering, number)
        request = Request(message_id, outgoing.type, tuple(_chain(outgoing.fallback)), parts_of(_sms_text(outgoing)))
        yield Sent(request, _status(outgoing, message_id, numbering.seed, refusals), outgoing)


def parts_of(text: str) -> int:
    """Return how many SMS a text takes: 160 characters, or 70 when one of them is outside Latin-1."""
    plain = all(ord(character) < 256 for character in text)
    single, joined = (_PLAIN_PART, _PLAIN_JOINED) if plain else (_UNICODE_PART, _UNICODE_JOINED)
    return 1 if len(text) <= single else -(-len(text) // joined)


def _sms_text(outgoing: Outgoing) -> str:
    step = outgoing.fallback
    while step is not None:
        if step.type == "sms":
            return step.text or outgoing.text
        step = step.fallback
    return outgoing.text if outgoing.type == "sms" else ""


def _chain(fallback: OutgoingFallback | None) -> Iterator[str]:
    while fallback is not None:
        yield fallback.type
        fallback = fallback.fallback


def _message_id(numbering: Numbering, number: int) -> str:
    key = f"{numbering.seed}\x1f{numbering.account}\x1f{number}".encode()
    return str(uuid.UUID(bytes=hashlib.blake2b(key, digest_size=16).digest(), version=4))


def _status(outgoing: Outgoing, message_id: str, seed: int, refusals: Refusals) -> str:
    if not outgoing.to or not outgoing.type:
        return "rejected"
    pick = chance(seed, "refused", message_id)
    if pick < refusals.rejected:
        return "rejected"
    return "failed" if pick < refusals.rejected + refusals.failed else "accepted"

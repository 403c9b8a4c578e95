"""What to track of a send: the accepted messages of its answer, with what the request says of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from exporter.admission import Offer

_LONGEST_TTL_SECONDS: Final = 30 * 86_400.0


class _Asked(msgspec.Struct, gc=False, rename="camel"):
    """One message of the request; whatever else SMSBat makes of it, odd types must cost nobody the tracking."""

    type: Any = None
    ttl: Any = None
    customer_message_id: Any = None


class _Request(msgspec.Struct, gc=False):
    messages: list[_Asked]


class _Told(msgspec.Struct, gc=False, rename="camel"):
    """One message of the answer."""

    message_id: Any = None
    status: Any = None
    customer_message_id: Any = None


class _Answer(msgspec.Struct, gc=False):
    messages: list[_Told]


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """What a request and its surroundings say of all its messages."""

    account: str
    sent_at: float
    labels: Mapping[str, str] = {}
    traceparent: str | None = None


class Sent(msgspec.Struct, frozen=True):
    """What came of a send: what is to be tracked, and how many messages SMSBat did not take."""

    offers: Sequence[Offer]
    refused: int


_read_request: Final = msgspec.json.Decoder(_Request).decode
_read_answer: Final = msgspec.json.Decoder(_Answer).decode


def sent(request: bytes | None, answer: bytes | None, sending: Sending) -> Sent | None:
    """Return what came of a send; None when its answer cannot be read. The bodies are plain, None when unreadable."""
    told = _told(answer)
    if told is None:
        return None
    accepted = [place for place, entry in enumerate(told) if _is_accepted(entry)]
    matches = _Matches(_asked(request), len(told))
    offers = [_offer(told[place], matches.find(place, told[place]), sending) for place in accepted]
    return Sent(offers, len(told) - len(accepted))


def count(request: bytes | None) -> int:
    """Count the messages of a request; one that cannot be read has at least one."""
    return max(1, len(_asked(request)))


def _asked(request: bytes | None) -> list[_Asked]:
    try:
        return _read_request(request or b"").messages
    except msgspec.ValidationError:
        return []
    except (ValueError, RecursionError):
        return _asked_with_halves(request or b"")


def _asked_with_halves(request: bytes) -> list[_Asked]:
    """Read JSON with half a surrogate pair in it, as of a text that was cut inside an emoji: SMSBat may take it."""
    try:
        return msgspec.convert(json.loads(request), _Request).messages
    except (ValueError, RecursionError):
        return []


def _told(answer: bytes | None) -> list[_Told] | None:
    try:
        return _read_answer(answer or b"").messages
    except (ValueError, RecursionError):
        return None


def _is_accepted(entry: _Told) -> bool:
    return isinstance(entry.status, str) and entry.status.strip().lower() == "accepted"


class _Matches:
    """Finds the message of the request that one of the answer is about."""

    def __init__(self, asked: list[_Asked], told: int) -> None:
        """Places tell something only when both have as many messages."""
        self._by_place: Sequence[_Asked] = asked if len(asked) == told else ()
        self._by_key = _by_key(asked)

    def find(self, place: int, entry: _Told) -> _Asked | None:
        """Match by the customer's own id where both have one, else by place."""
        at_place = self._by_place[place] if self._by_place else None
        key = _key(entry.customer_message_id)
        if key is None or (at_place is not None and _key(at_place.customer_message_id) in {None, key}):
            return at_place
        return self._by_key.get(key)


def _by_key(asked: Iterable[_Asked]) -> dict[str, _Asked]:
    return {key: each for each in asked if (key := _key(each.customer_message_id)) is not None}


def _key(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and value != "" else None


def _offer(entry: _Told, asked: _Asked | None, sending: Sending) -> Offer:
    number = entry.message_id
    channel = asked.type if asked is not None and isinstance(asked.type, str) else None
    return Offer(
        # An id that is none is refused at the door, and counted there.
        id=str(number) if isinstance(number, str | int) else "",
        account=sending.account,
        channel=channel,
        sent_at=sending.sent_at,
        ttl=None if asked is None else _ttl(asked.ttl),
        labels=sending.labels,
        traceparent=sending.traceparent,
    )


def _ttl(value: object) -> float | None:
    """Return the seconds of a ttl; the message was accepted with it, so an odd one is no reason to refuse it."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return None
    return min(seconds, _LONGEST_TTL_SECONDS) if seconds > 0 else None

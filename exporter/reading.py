"""Turns an HTTP answer's status and bytes into what it says about a message, whatever the bytes are."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from exporter.message import Amount, Anomaly, Failure, NotFound, PollResult, Reading, Status, StatusReport

MAX_BODY_BYTES: Final = 65_536
"""An answer has a few hundred bytes; what is longer than this is none, and is not read to its end."""

_MAX_AMOUNT: Final = Decimal(10) ** 9
_MAX_DECIMALS: Final = 24
_MAX_PARTS: Final = 10_000
_MAX_ENTRIES: Final = 16
_MAX_TEXT: Final = 64
_API_STATUSES: Final = {status.label: status for status in Status if status not in {Status.ACCEPTED, Status.UNKNOWN}}
_FAILED_CALLS: Final = {
    401: PollResult.UNAUTHORIZED,
    403: PollResult.UNAUTHORIZED,
    429: PollResult.RATE_LIMITED,
}


class _WireFallback(msgspec.Struct, gc=False):
    type: str | None = None
    status: str | None = None


class _Wire(msgspec.Struct, gc=False):
    """The documented fields; numbers may come as text, and SMSBat adds fields without notice."""

    messagelistId: Decimal | None = None
    messageId: str | int | None = None
    deliverystatus: str | None = None
    partscount: Decimal | None = None
    cost: Decimal | None = None
    fallbacks: list[_WireFallback] | None = None
    extendedStatuses: dict[str, str | None] | Annotated[list[str], msgspec.Meta(max_length=0)] | None = None
    """An empty map comes as an empty list from some languages."""
    rate: Decimal | None = None
    rateAmount: Decimal | None = None
    rateCurrency: str | None = None
    billAmount: Decimal | None = None
    billCurrency: str | None = None


_NOTHING: Final = _Wire()
_SILENCE: Final = (None,) * 6
_decode: Final = msgspec.json.Decoder(_Wire).decode


class StatusWords:
    """Gives SMSBat's words for a status one spelling, and the user's aliases their meaning."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        """Take the configured aliases, lower-case word -> one of SMSBat's five."""
        self._aliases = dict(aliases)

    def text(self, word: str) -> str:
        """Return the one spelling of a status, `not_used` and the aliases included."""
        plain = word.strip().lower()[:_MAX_TEXT]
        if plain in _API_STATUSES:
            return plain
        if plain.replace("_", "").replace("-", "").replace(" ", "") == "notused":
            return "not_used"
        return self._aliases.get(plain, plain)

    def status(self, word: str | None) -> Status:
        """Return the message's status; a word that nobody knows, or none, is UNKNOWN."""
        if word is None:
            return Status.UNKNOWN
        known = _API_STATUSES.get(word)
        return known if known is not None else _API_STATUSES.get(self.text(word), Status.UNKNOWN)


def read(code: int, body: bytes, message_id: str, words: StatusWords) -> Reading:
    """Say what an answer means for the message that was asked about; never raises.

    `body` may be cut after MAX_BODY_BYTES + 1 bytes. The meaning of the codes is contract section 3.2.
    """
    if code == 404:
        return NotFound()
    if not 200 <= code < 300 or code == 204:
        return Failure(_failed_call(code), None if 400 <= code < 600 else Anomaly.UNEXPECTED_CODE, code)
    wire = _wire(body)
    if isinstance(wire, Anomaly):
        return Failure(PollResult.UNREADABLE, wire, code)
    if wire.messageId is not None and id_text(wire.messageId) != message_id:
        return Failure(PollResult.UNREADABLE, Anomaly.ID_MISMATCH, code)
    return _report(wire, words)


def _failed_call(code: int) -> PollResult:
    if code in _FAILED_CALLS:
        return _FAILED_CALLS[code]
    if 400 <= code < 500:
        return PollResult.CLIENT_ERROR
    return PollResult.SERVER_ERROR if 500 <= code < 600 else PollResult.UNREADABLE


def _wire(body: bytes) -> _Wire | Anomaly:
    if len(body) > MAX_BODY_BYTES:
        return Anomaly.TOO_LARGE
    try:
        wire = _decode(body)
    except UnicodeDecodeError:
        return Anomaly.NOT_UTF8
    except (msgspec.DecodeError, RecursionError) as error:
        return Anomaly.WRONG_TYPE if isinstance(error, msgspec.ValidationError) else Anomaly.NOT_JSON
    except ValueError:  # an integer of thousands of digits
        return Anomaly.WRONG_TYPE
    if wire.deliverystatus is None and wire == _NOTHING:
        return Anomaly.NOT_AN_ANSWER
    return wire if _has_numbers_only(wire) else Anomaly.WRONG_TYPE


def id_text(value: str | int) -> str:
    """An id may come as a number; one of over 128 digits is nobody's, and Python refuses to spell some of those."""
    return value if isinstance(value, str) else str(value) if abs(value) < 10**128 else ""


def _has_numbers_only(wire: _Wire) -> bool:
    """Text such as "NaN" and "Infinity" is a Decimal, and no number."""
    numbers = (wire.messagelistId, wire.partscount, wire.cost, wire.rate, wire.rateAmount, wire.billAmount)
    for number in numbers:  # noqa: SIM110 (a generator costs as much as all the rest of an answer)
        if number is not None and not number.is_finite():
            return False
    return True


def _report(wire: _Wire, words: StatusWords) -> StatusReport:
    odd: list[Anomaly] = []
    status, parts = words.status(wire.deliverystatus), _parts(wire.partscount, odd)
    if (wire.cost, wire.rate, wire.rateAmount, wire.billAmount, wire.fallbacks, wire.extendedStatuses) == _SILENCE:
        # Most answers are of messages in flight, and say no more.
        return StatusReport(status=status, parts=parts, anomalies=tuple(odd))
    return StatusReport(
        status=status,
        parts=parts,
        cost=amount(wire.cost, odd),
        fallbacks=_fallbacks(wire.fallbacks, words) if wire.fallbacks else (),
        channels=_channels(wire.extendedStatuses, words) if isinstance(wire.extendedStatuses, dict) else (),
        rate=amount(wire.rate, odd),
        rate_amount=_money(wire.rateAmount, wire.rateCurrency, odd),
        bill_amount=_money(wire.billAmount, wire.billCurrency, odd),
        anomalies=tuple(dict.fromkeys(odd)),
    )


def _fallbacks(entries: list[_WireFallback], words: StatusWords) -> tuple[tuple[str, str], ...]:
    return tuple((_kind(entry.type), words.text(entry.status or "")) for entry in entries[:_MAX_ENTRIES])


def _channels(statuses: Mapping[str, str | None], words: StatusWords) -> tuple[tuple[str, str], ...]:
    return tuple((_kind(kind), words.text(status or "")) for kind, status in list(statuses.items())[:_MAX_ENTRIES])


def _kind(word: str | None) -> str:
    return (word or "").strip().lower()[:_MAX_TEXT]


def _parts(value: Decimal | None, odd: list[Anomaly]) -> int | None:
    if value is None:
        return None
    if not 0 <= value <= _MAX_PARTS or value != value.to_integral_value():
        odd.append(Anomaly.OUT_OF_RANGE)
        return None
    return int(value)


def amount(value: Decimal | None, odd: list[Anomaly]) -> Decimal | None:
    """Keep an amount that can be added up exactly; a total never goes down, so a negative one is left out.

    `value` must be finite; what is left out is noted in `odd`.
    """
    if value is None:
        return None
    if value < 0:
        odd.append(Anomaly.NEGATIVE_COST)
        return None
    if value > _MAX_AMOUNT or _decimals(value) > _MAX_DECIMALS:
        odd.append(Anomaly.OUT_OF_RANGE)
        return None
    return value


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _money(value: Decimal | None, currency: str | None, odd: list[Anomaly]) -> Amount | None:
    exact = amount(value, odd)
    return None if exact is None else Amount(exact, _currency(currency))


def _currency(code: str | None) -> str | None:
    plain = (code or "").strip().upper()
    return plain if len(plain) == 3 and plain.isascii() and plain.isalpha() else None

"""What the API says about a message: one state of its life as the JSON bytes of a basic or extended answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from decimal import Decimal

    from exporter.simulator.lives import Life, Money, State

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def answer(message_id: str, messagelist_id: int | None, life: Life, state: State) -> bytes:
    """Return the body of a status answer; money appears only once the message is final."""
    fields: dict[str, object] = {}
    if messagelist_id is not None:
        fields["messagelistId"] = messagelist_id
    fields["messageId"] = message_id
    fields["deliverystatus"] = state.status
    if life.parts is not None:
        fields["partscount"] = str(life.parts) if life.numbers_as_text else life.parts
    charged = life.end is not None and state.offset_seconds >= life.end.offset_seconds
    if charged:
        fields |= _amounts({"cost": life.money.cost}, as_text=life.numbers_as_text)
    if state.channels:
        fields |= _channels(state)
        if charged:
            fields |= _extended_money(life.money, as_text=life.numbers_as_text)
    return _ENCODER.encode(fields)


def encoded(value: object) -> bytes:
    """Return any other value as JSON, its decimals as exact numbers."""
    return _ENCODER.encode(value)


def _channels(state: State) -> dict[str, object]:
    return {
        "fallbacks": [{"type": name, "status": status} for name, status in state.channels[1:]],
        "extendedStatuses": dict(state.channels),
    }


def _extended_money(money: Money, *, as_text: bool) -> dict[str, object]:
    fields = _amounts({"rate": money.rate, "rateAmount": money.rate_amount}, as_text=as_text)
    if money.rate_currency is not None:
        fields["rateCurrency"] = money.rate_currency
    fields |= _amounts({"billAmount": money.bill_amount}, as_text=as_text)
    if money.bill_currency is not None:
        fields["billCurrency"] = money.bill_currency
    return fields


def _amounts(amounts: dict[str, Decimal | None], *, as_text: bool) -> dict[str, object]:
    present = {name: amount for name, amount in amounts.items() if amount is not None}
    return {name: str(amount) if as_text else amount for name, amount in present.items()}

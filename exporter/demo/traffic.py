"""The applications of the demo: they send through SMSBat's send call, and hand in what it accepted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

import aiohttp
import msgspec

from exporter.admission import Offer
from exporter.columns import ENDED
from exporter.demo.setting import API_KEY, CLINIC, SHOP

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from exporter.core import Core

_TICK_SECONDS: Final = 1.0
_TOO_LONG_SECONDS: Final = 60 * 86_400.0
_WITHDRAWN: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Messages of one kind that an application sends all the time."""

    account: str
    channel: str
    campaign: str
    per_minute: int
    fallback: str | None = None
    ttl: float | None = None
    text: str = "Hello"

    def due(self, tick: int) -> int:
        """Return how many go out in the n-th second."""
        return (tick + 1) * self.per_minute // 60 - tick * self.per_minute // 60

    def outgoing(self) -> dict[str, object]:
        """Return one message as the send call takes it."""
        message: dict[str, object] = {"from": "DEMO", "to": "+380000000000", "type": self.channel, "text": self.text}
        if self.fallback is not None:
            message["fallback"] = {"type": self.fallback, "text": self.text}
        return message


STREAMS: Final = (
    Stream(account=SHOP, channel="viber_otp", campaign="login", per_minute=100, fallback="sms", ttl=20.0),
    Stream(account=SHOP, channel="flashcall", campaign="login", per_minute=20, ttl=20.0),
    Stream(account=SHOP, channel="viber_trans", campaign="orders", per_minute=50, fallback="sms"),
    Stream(account=SHOP, channel="viber_promo", campaign="spring", per_minute=40, fallback="sms"),
    Stream(account=SHOP, channel="viber_promo", campaign="summer", per_minute=20),
    Stream(account=CLINIC, channel="sms", campaign="reminders", per_minute=30, text="Your visit is tomorrow. " * 9),
    Stream(account=CLINIC, channel="rcs", campaign="reminders", per_minute=15, fallback="sms"),
    Stream(account=CLINIC, channel="viber_survey", campaign="feedback", per_minute=15),
)


class Traffic:
    """Sends every second what is due, and offers it for tracking."""

    def __init__(self, core: Core, urls: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        """Take the exporter's core, the API of each account, and a connection pool."""
        self._core = core
        self._urls = urls
        self._session = session
        self._handed_in = 0

    async def run(self) -> None:
        """Send until cancelled."""
        tick = 0
        while True:
            for name, url in self._urls.items():
                await self._send(name, url, tick)
            await asyncio.sleep(_TICK_SECONDS)
            tick += 1

    async def _send(self, name: str, url: str, tick: int) -> None:
        due = [stream for stream in STREAMS if stream.account == name for _ in range(stream.due(tick))]
        if not due:
            return
        sent_at = self._core.clock.now()
        answers = await self._call(url, [stream.outgoing() for stream in due])
        accepted = [
            (stream, answer["messageId"])
            for stream, answer in zip(due, answers, strict=True)
            if answer["status"] == "accepted"
        ]
        await self._offer([_offer(stream, message_id, sent_at) for stream, message_id in accepted])

    async def _call(self, url: str, messages: list[dict[str, object]]) -> list[_Sent]:
        headers = {"X-Authorization-Key": API_KEY}
        async with self._session.post(f"{url}/bat/messagelist", json={"messages": messages}, headers=headers) as answer:
            answer.raise_for_status()
            return msgspec.json.decode(await answer.read(), type=_Answer)["messages"]

    async def _offer(self, offers: list[Offer]) -> None:
        """Hand the messages in as the API listener will: an application does, at run time."""
        numbered = list(enumerate(offers, start=self._handed_in))
        self._handed_in += len(offers)
        now = self._core.clock.now()
        as_given = [given for number, offer in numbered for given in handed_in(offer, number, now)]
        await self._core.admission.offer(as_given, "api")
        for number, offer in numbered:
            if number % 60 == _WITHDRAWN:
                self._withdraw(offer)

    def _withdraw(self, offer: Offer) -> None:
        slot = self._core.in_flight.find(offer.account, offer.id)
        if slot is not None and not self._core.in_flight.columns.has(slot, ENDED):
            self._core.tracker.abandon(slot)


class _Sent(TypedDict):
    messageId: str
    status: str


class _Answer(TypedDict):
    messages: list[_Sent]


def _offer(stream: Stream, message_id: str, sent_at: float) -> Offer:
    return Offer(
        id=message_id,
        account=stream.account,
        channel=stream.channel,
        sent_at=sent_at,
        ttl=stream.ttl,
        labels={"campaign": stream.campaign},
    )


def handed_in(offer: Offer, number: int, now: float) -> Iterator[Offer]:
    """Yield what the application hands in for its n-th message: out of 60, four are not quite right."""
    replace = msgspec.structs.replace
    match number % 60:
        case 10:  # handed in twice
            yield from (offer, offer)
        case 20:  # a ttl that is refused
            yield replace(offer, ttl=_TOO_LONG_SECONDS)
        case 30:  # sent by a clock that is ahead
            yield replace(offer, sent_at=now + 2.0)
        case 40:  # a label that is not configured
            yield replace(offer, labels={**offer.labels, "team": "crm"})
        case _:
            yield offer

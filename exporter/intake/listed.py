"""Follows the messages that the configuration lists."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from exporter.admission import Admission, FullError, Offer
from exporter.columns import ENDED, LISTED
from exporter.logs import fields

if TYPE_CHECKING:
    from exporter.config import Config
    from exporter.store.writer import Writer
    from exporter.tracker import Tracker

_log: Final = logging.getLogger(__name__)


class Listed:
    """Tracks what is listed, and abandons what no longer is."""

    def __init__(self, tracker: Tracker, admission: Admission, writer: Writer) -> None:
        """Take the tracker and the door."""
        self._tracker = tracker
        self._admission = admission
        self._writer = writer

    async def follow(self, config: Config) -> None:
        """Bring tracking in line with the list; returns once that is stored.

        Raises StoreError when the store cannot be read or written.
        """
        offers = _offers(config)
        listed = {(offer.account, offer.id) for offer in offers}
        self._mark(listed)
        await self._writer.call(lambda store: store.relist(listed))
        try:
            admitted = await self._admission.offer(offers, "config", quiet=lambda _: True)
        except FullError:
            _log.error("the listed messages do not fit: raise intake.max_in_flight", extra=fields(listed=len(offers)))
            return
        for place, why in admitted.rejected:
            _log.error("a listed message is refused", extra=fields(place=f"messages[{place}]", why=why))

    def _mark(self, listed: set[tuple[str, str]]) -> None:
        """Abandon what is in flight and listed no more; what is listed is remembered so, wherever it came from."""
        in_flight, columns = self._tracker.in_flight, self._tracker.in_flight.columns
        for slot in [it for it in in_flight.slots() if columns.has(it, LISTED) and not columns.has(it, ENDED)]:
            if (in_flight.cohort(slot).account, columns.ids[slot]) not in listed:
                columns.mark(slot, LISTED, on=False)
                self._tracker.abandon(slot)
        for account, message_id in listed:
            if (slot_listed := in_flight.find(account, message_id)) is not None:
                columns.mark(slot_listed, LISTED)


def _offers(config: Config) -> list[Offer]:
    first = config.accounts[0].name
    return [
        Offer(
            id=message.id,
            account=message.account or first,
            channel=message.channel,
            sent_at=message.sent_at,
            ttl=message.ttl,
            labels=message.labels,
            listed=True,
        )
        for message in config.messages
    ]

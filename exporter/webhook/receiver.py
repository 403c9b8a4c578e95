"""Does what a webhook asks for: an end is noted, and the API is asked to confirm it at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from exporter import catalogue as metrics
from exporter.claims import claim, noticed
from exporter.columns import CLAIMED, ENDED
from exporter.lifecycle import contradicts
from exporter.message import Anomaly, Status, StatusReport
from exporter.meters import WebhookResult
from exporter.records import outcome_of
from exporter.store import StoreError

if TYPE_CHECKING:
    from exporter.claims import Notice
    from exporter.core import Core

_STORED_WITHIN_SECONDS: Final = 10.0


class Receiver:
    """Takes what webhooks say to the tracker."""

    def __init__(self, core: Core) -> None:
        """Take the messages, who asks about them, and the store."""
        self._core = core
        self._tracker = core.tracker
        self._committer = core.committer
        self.meter = core.tracker.announced.meter
        self.accounts = core.account_names

    async def receive(self, account: str, message_id: str, notice: Notice) -> bool:
        """Take one webhook in; returns whether its message is known, once all that it brought is stored.

        Raises StoreError when the store cannot tell whether the message is known, or does not take the webhook.
        """
        if notice.status.final:
            self._tracker.missed.came(account, message_id)
        slot = self._tracker.in_flight.find(account, message_id)
        if slot is not None and self._tracker.in_flight.columns.has(slot, ENDED):
            await self._stored()
            slot = None
        result: WebhookResult | None
        if slot is None:
            result = await self._after_the_end(account, message_id, notice)
        else:
            result = self._in_flight(slot, account, notice)
            await self._stored()
        if result is not None:
            self.meter.count(account, result)
        return result is not WebhookResult.UNKNOWN_MESSAGE

    def _in_flight(self, slot: int, account: str, notice: Notice) -> WebhookResult | None:
        """Return what the webhook comes to; None when the API's answer decides that."""
        tracker, now = self._tracker, self._core.clock.now()
        message = tracker.in_flight.get(slot)
        if tracker.in_flight.columns.has(slot, CLAIMED):
            return WebhookResult.UNCHANGED
        if not notice.status.final:
            transition = noticed(message, notice.status)
            if transition.message is message:
                return WebhookResult.UNCHANGED
            tracker.change(slot, message, transition)
            return WebhookResult.UNCHANGED if notice.status is Status.UNKNOWN else WebhookResult.APPLIED
        claimed, anomalies = claim(message, notice, now)
        known = tracker.announced.of(slot)
        if known is not None and known.repeats(claimed):
            return WebhookResult.UNCHANGED
        for anomaly in anomalies:
            self._count(account, anomaly)
        tracker.announced.add(slot, claimed)
        tracker.plan.hurry(slot, CLAIMED, now)
        return None

    async def _after_the_end(self, account: str, message_id: str, notice: Notice) -> WebhookResult:
        """A message that ended changes no more; a contradiction is counted."""
        row = await self._core.writer.call(lambda store: store.finished(account, message_id))
        if row is None:
            return WebhookResult.UNKNOWN_MESSAGE
        outcome = outcome_of(row)
        if (
            outcome is not None
            and contradicts(outcome, StatusReport(status=notice.status))
            and self._tracker.announced.is_new(account, message_id, notice.status)
        ):
            self._count(account, Anomaly.CONFLICTING_FINAL_STATUS)
            await self._stored()
        return WebhookResult.UNCHANGED

    async def _stored(self) -> None:
        """Wait for the store, but not for as long as SMSBat would; what was noted stays noted."""
        try:
            async with asyncio.timeout(_STORED_WITHIN_SECONDS):
                await self._committer.stored()
        except TimeoutError:
            raise StoreError("the store is slow") from None

    def _count(self, account: str, anomaly: Anomaly) -> None:
        self._committer.changes.tally.count(metrics.ANOMALIES, account, anomaly.value)
        self._committer.soon()

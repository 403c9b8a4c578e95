"""Notices when SMSBat's webhook about a message that a poll found final does not come."""

from __future__ import annotations

from typing import Final

from exporter.meters import WebhookMeter

_PATIENCE_SECONDS: Final = 60.0


class Missed:
    """The messages that ended lately and whose webhook may still come; one that was known before is not awaited."""

    def __init__(self, meter: WebhookMeter) -> None:
        """Start with none, for no account."""
        self.accounts: frozenset[str] = frozenset()
        """Those that have webhooks."""
        self._meter = meter
        self._until: dict[tuple[str, str], float] = {}
        """When each is missed, by account and id; in that order."""

    def expect(self, account: str, message_id: str, now: float) -> None:
        """Await the webhook of a message that a poll found final."""
        if account in self.accounts:
            self._until[account, message_id] = now + _PATIENCE_SECONDS

    def came(self, account: str, message_id: str) -> None:
        """Note that a message's webhook has come."""
        self._until.pop((account, message_id), None)

    def tick(self, now: float) -> None:
        """Count those that did not come in time."""
        while self._until and self._until[key := next(iter(self._until))] <= now:
            del self._until[key]
            if key[0] in self.accounts:
                self._meter.missed[key[0]] += 1

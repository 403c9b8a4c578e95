"""Takes messages into the simulated API: gives each its life, enters it in the ledger, watches for its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from exporter.simulator.entry import Entry
from exporter.simulator.fate import life_of
from exporter.simulator.sending import Numbering, Refusals, send

if TYPE_CHECKING:
    from exporter.simulator.fate import Request
    from exporter.simulator.ledger import Ledger
    from exporter.simulator.lives import Life
    from exporter.simulator.profile import Profile
    from exporter.simulator.sending import Batch
    from exporter.simulator.webhooks import Webhooks

_FIRST_LIST_ID = 100_001


class Registry:
    """The one place where messages come in."""

    def __init__(self, *, profile: Profile, seed: int, refusals: Refusals, ledger: Ledger, webhooks: Webhooks) -> None:
        self._profile = profile
        self._seed = seed
        self._refusals = refusals
        self._ledger = ledger
        self._webhooks = webhooks
        self._sent: dict[str, int] = {}
        self._lists = _FIRST_LIST_ID

    def register(
        self, request: Request, *, account: str, sent_at: float, life: Life | None = None, list_id: int | None = None
    ) -> Entry:
        """Take a message, with a life of its own or the one that its profile draws; a known id is a ValueError."""
        entry = Entry(
            message_id=request.message_id,
            account=account,
            channel=request.channel,
            sent_at=sent_at,
            draw=partial(life_of, self._profile, self._seed, request) if life is None else lambda: life,
            list_id=list_id,
        )
        self._ledger.add(entry)
        self._webhooks.watch(entry)
        return entry

    def follow(self, profile: Profile) -> None:
        """Draw the lives of messages that come in from now on from another profile."""
        self._profile = profile

    def send(self, batch: Batch, account: str, now: float) -> dict[str, object]:
        """Register what a send call brings, and return SMSBat's answer."""
        first = self._sent.get(account, 0)
        self._sent[account] = first + len(batch.messages)
        list_id, self._lists = self._lists, self._lists + 1
        answers: list[dict[str, object]] = []
        for sent in send(batch, Numbering(self._seed, account, first), self._refusals):
            answers.append(sent.answer())
            if sent.status == "accepted":
                self.register(sent.request, account=account, sent_at=now, list_id=list_id)
        return {"messagelistId": list_id, "messages": answers}

"""Carries a send to SMSBat and its accepted messages into tracking; whatever fails there, the answer goes back."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, cast

import msgspec

from exporter.admission import FullError
from exporter.intake.bodies import TooLargeError, UnreadableError, plain
from exporter.intake.relay.forwarding import Answer, Outgoing, Unanswered, forward
from exporter.intake.relay.tracking import Sending, count, sent
from exporter.logs import fields
from exporter.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence
    from typing import Any

    from multidict import MultiMapping

    from exporter.admission import Admission, Offer
    from exporter.clock import Clock
    from exporter.intake.relay.lines import Line
    from exporter.meters import RelayMeter

_log: Final = logging.getLogger(__name__)
LONGEST_BODY_BYTES: Final = 16 * 1024 * 1024
"""Of a send and of its answer; 5,000 messages take far less."""
_LONGEST_COMMIT_SECONDS: Final = 2.0
_LAST_SENDS_SECONDS: Final = 5.0
_LOG_EVERY_SECONDS: Final = 60.0


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One send: what goes out, and what its messages are tracked with."""

    line: Line
    outgoing: Outgoing
    tracked: bool
    """The credentials are the account's."""
    labels: Mapping[str, str]
    traceparent: str | None


class Carrier:
    """The sends under way, and the tracking of those that were answered."""

    def __init__(self, admission: Admission, meter: RelayMeter, clock: Clock) -> None:
        """Start with nothing under way."""
        self._admission = admission
        self._meter = meter
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting = 0
        """Messages whose tracking has begun and not ended."""
        self._logged_at = 0.0

    async def carry(self, send: Send, *, wait: bool) -> Answer | Unanswered:
        """Send once, have what was accepted tracked, and return the answer.

        It waits for the store, but not for long, and only if told to; a caller that leaves changes nothing.
        """
        send.line.hold()
        carrying = self._begin(self._carry(send, wait=wait))
        carrying.add_done_callback(lambda _: send.line.release())
        return cast("Answer | Unanswered", await asyncio.shield(carrying))

    def _begin(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name="relay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carry(self, send: Send, *, wait: bool) -> Answer | Unanswered:
        answer = await forward(send.line, send.outgoing)
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            tracking = self._begin(self._track(send, answer, self._clock.now()))
            if wait:
                await asyncio.wait({tracking}, timeout=_LONGEST_COMMIT_SECONDS)
        return answer

    async def _track(self, send: Send, answer: Answer, sent_at: float) -> None:
        asked = _plain(send.outgoing.body, send.outgoing.headers)
        sending = Sending(account=send.line.name, sent_at=sent_at, labels=send.labels, traceparent=send.traceparent)
        came = sent(asked, _plain(answer.body, answer.headers), sending)
        if came is None:
            self._lose(send, count(asked), "SMSBat's answer cannot be read")
        elif not send.tracked:
            self._lose(send, len(came.offers), "the credentials are not this account's")
        elif self._waiting + len(came.offers) > max(self._admission.max_in_flight, len(came.offers)):
            self._lose(send, len(came.offers), "the store does not keep up")
        else:
            await self._offer(send, came.offers, came.refused)

    async def _offer(self, send: Send, offers: Sequence[Offer], refused: int) -> None:
        self._waiting += len(offers)
        try:
            admitted = await self._admission.offer(offers, "relay", unusable=refused)
        except FullError:
            self._lose(send, len(offers), "as many messages are in flight as `max_in_flight` allows")
        except StoreError:
            self._lose(send, len(offers), "the store does not work")
        else:
            self._lose(send, len(admitted.rejected), "SMSBat's answer names no usable ids")
        finally:
            self._waiting -= len(offers)

    def _lose(self, send: Send, messages: int, why: str) -> None:
        """Count messages that were accepted and are not tracked; the log is told once a minute."""
        self._meter.untracked += messages
        now = self._clock.now()
        if messages and not 0 <= now - self._logged_at < _LOG_EVERY_SECONDS:
            self._logged_at = now
            _log.warning(
                "SMSBat accepted messages that are not tracked",
                extra=fields(account=send.line.name, messages=messages, why=why),
            )

    async def close(self) -> None:
        """Let sends under way be answered and tracked, for a few seconds."""
        while self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST_SENDS_SECONDS)
            for task in late:
                task.cancel()


def _plain(body: bytes, headers: MultiMapping[str]) -> bytes | None:
    try:
        return plain(body, headers.get("Content-Encoding", ""), LONGEST_BODY_BYTES)
    except (TooLargeError, UnreadableError):
        return None

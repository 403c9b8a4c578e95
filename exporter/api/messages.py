"""The calls about messages: track them, ask about one, list those in flight, stop tracking one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from exporter.api.bodies import Rejection, batch_in, read, shown_id
from exporter.api.errors import RefusedError
from exporter.columns import ENDED
from exporter.config.durations import parse_duration
from exporter.intake.wire import valid_traceparent
from exporter.knowledge import Known, of_message
from exporter.message import MESSAGE_ID, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exporter.admission import Admission, Admitted
    from exporter.api.bodies import Batch
    from exporter.commit import Committer
    from exporter.knowledge import Knowledge
    from exporter.tracker import Tracker

_LONGEST_WAIT_SECONDS: Final = 60.0
_PAGE: Final = 100
_LONGEST_PAGE: Final = 1000
_LOOKED_AT_ONCE: Final = 20_000
"""Slots that one page may look through, so that a rare status holds up nobody; the next page goes on."""
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Accepted(msgspec.Struct, frozen=True):
    """What became of the messages of a request."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


class Page(msgspec.Struct, frozen=True):
    """Messages in flight, and where the next page begins; null when this is the last."""

    messages: list[Known]
    next: str | None


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls need of the exporter."""

    accounts: Callable[[], Sequence[str]]
    """The names of the accounts, in the order of the configuration."""
    admission: Admission
    tracker: Tracker
    committer: Committer
    knowledge: Knowledge


class Messages:
    """The handlers."""

    def __init__(self, backend: Callable[[], Backend | None]) -> None:
        """Take the exporter, None while it starts."""
        self._when_ready = backend

    async def track(self, request: web.Request) -> web.Response:
        """Track what the body brings; answered once that is stored."""
        backend = self._backend()
        batch = batch_in(
            await read(request), backend.accounts()[0], valid_traceparent(request.headers.get("traceparent"))
        )
        admitted = await backend.admission.offer(batch.offers, "api", unusable=len(batch.rejected))
        answer = _accepted(batch, admitted)
        if answer.rejected and len(answer.rejected) > batch.unsent and not answer.accepted and not answer.duplicates:
            first = answer.rejected[0]
            raise RefusedError(HTTPStatus.BAD_REQUEST, "messages", f"no message can be used; the first: {first.error}")
        return _json(answer, HTTPStatus.ACCEPTED)

    async def one(self, request: web.Request) -> web.Response:
        """Say what is known of a message, at once or when it ends."""
        backend, message_id, account = self._backend(), _id(request), self._account(request)
        seconds = _wait_seconds(request)
        known = await _only(backend, message_id, account)
        if seconds and not known.final:
            account, waiters = known.account, backend.tracker.waiters
            del known
            # Thousands may be here for a minute: no coroutine more, and nothing that they do not need.
            woken = waiters.enter((account, message_id), seconds)
            try:
                await woken
            finally:
                waiters.leave((account, message_id), woken)
            known = await _only(backend, message_id, account)
        return _json(known)

    async def several(self, request: web.Request) -> web.Response:
        """List messages in flight."""
        in_flight = self._backend().tracker.in_flight
        status, channel, limit, start = _page_wanted(request)
        columns, found, slot = in_flight.columns, list[Known](), start
        end = min(len(columns), start + _LOOKED_AT_ONCE)
        while slot < end and len(found) < limit:
            if not columns.has(slot, ENDED) and (status is None or columns.status[slot] == status):
                message = in_flight.get(slot)
                if channel is None or message.channel == channel:
                    found.append(of_message(message))
            slot += 1
        while slot < end and columns.has(slot, ENDED):
            slot += 1
        return _json(Page(found, str(slot) if slot < len(columns) else None))

    async def stop(self, request: web.Request) -> web.Response:
        """Stop tracking a message."""
        backend, message_id = self._backend(), _id(request)
        known = await _only(backend, message_id, self._account(request))
        slot = backend.tracker.in_flight.find(known.account, message_id)
        if slot is None or backend.tracker.in_flight.columns.has(slot, ENDED):
            raise RefusedError(HTTPStatus.CONFLICT, "ended", "the message has ended already")
        backend.tracker.abandon(slot)
        await backend.committer.stored()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _backend(self) -> Backend:
        backend = self._when_ready()
        if backend is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "loading", "the exporter is starting; try again")
        return backend

    def _account(self, request: web.Request) -> str | None:
        account = request.query.get("account")
        if account is not None and account not in self._backend().accounts():
            raise RefusedError(HTTPStatus.NOT_FOUND, "account", "no such account is configured")
        return account


def _accepted(batch: Batch, admitted: Admitted) -> Accepted:
    refused = [
        Rejection(batch.places[place], shown_id(batch.offers[place].id), why) for place, why in admitted.rejected
    ]
    rejected = sorted([*batch.rejected, *refused], key=lambda rejection: rejection.index)
    return Accepted(admitted.accepted, len(admitted.duplicates), rejected)


async def _only(backend: Backend, message_id: str, account: str | None) -> Known:
    known = await backend.knowledge.of(message_id, account)
    if not known:
        raise RefusedError(HTTPStatus.NOT_FOUND, "unknown", "no such message is tracked or remembered")
    if len(known) > 1:
        text = "the id exists in several accounts; name one by ?account="
        raise RefusedError(HTTPStatus.CONFLICT, "ambiguous", text)
    return known[0]


def _id(request: web.Request) -> str:
    message_id = request.match_info["id"]
    if not MESSAGE_ID.fullmatch(message_id):
        text = "the message id must match [A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, "message_id", text)
    return message_id


def _wait_seconds(request: web.Request) -> float:
    text = request.query.get("wait")
    if text is None:
        return 0.0
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 <= seconds <= _LONGEST_WAIT_SECONDS:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "wait", "wait must be a duration such as 30s, at most 60s")
    return seconds


def _page_wanted(request: web.Request) -> tuple[Status | None, str | None, int, int]:
    query = request.query
    words = {status.label: status for status in Status if not status.final}
    status = query.get("status")
    if status is not None and status not in words:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "status", f"status must be one of {', '.join(words)}")
    limit = _whole(query.get("limit", str(_PAGE)), 1, _LONGEST_PAGE, "limit")
    start = _whole(query.get("cursor", "0"), 0, 2**32 - 1, "cursor")
    return None if status is None else words[status], query.get("channel"), limit, start


def _whole(text: str, least: int, most: int, name: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most:
        return int(text)
    raise RefusedError(HTTPStatus.BAD_REQUEST, name, f"{name} must be a whole number from {least} to {most}")


def _json(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, body=_encode(value), content_type="application/json")

"""The relay: SMSBat's own paths on the API listener, for applications that only change their base URL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from exporter.client import NoResponse
from exporter.intake.bodies import TooLargeError, UnreadableError, received
from exporter.intake.relay import headers, replies
from exporter.intake.relay.answers import Answers, Later
from exporter.intake.relay.carrying import LONGEST_BODY_BYTES, Carrier, Send
from exporter.intake.relay.credentials import Caller, caller
from exporter.intake.relay.forwarding import Outgoing, forward
from exporter.intake.relay.lines import Line
from exporter.intake.relay.paths import SEND, STATUS
from exporter.labels import OTHER
from exporter.message import MESSAGE_ID
from exporter.reading import StatusWords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.admission import Admission
    from exporter.clock import Clock
    from exporter.config import Config
    from exporter.meters import RelayMeter
    from exporter.tracker import Tracker


class Relay:
    """Forwards sends and status calls of callers; off while the configuration has no `relay`."""

    def __init__(self, admission: Admission, tracker: Tracker, meter: RelayMeter, clock: Clock) -> None:
        """Start off; `follow` turns it on."""
        self._meter, self._clock = meter, clock
        self._answers = Answers(tracker, clock)
        self._carrier = Carrier(admission, meter, clock)
        self._rules = tracker.plan.rules
        self._lines: dict[str, Line] = {}
        self._use_account_credentials = False
        self._words = StatusWords({})
        self._closing: set[asyncio.Task[None]] = set()
        self.on_answer = self._answers.heard
        """For `Crew.on_answer`: what the pollers hear answers callers too."""

    def lines(self, config: Config) -> dict[str, Line]:
        """Make the lines of a configuration, those of unchanged accounts kept; raises SecretError."""
        kept = {name: line for name, line in self._lines.items() if line.account in config.accounts}
        accounts = config.accounts if config.relay is not None else ()
        return {account.name: kept.get(account.name) or Line(account) for account in accounts}

    def follow(self, lines: Mapping[str, Line], config: Config) -> None:
        """Put lines to work; those that are no more close once what is under way on them has ended."""
        gone = [line for name, line in self._lines.items() if lines.get(name) is not line]
        self._lines = dict(lines)
        self._use_account_credentials = config.relay is not None and config.relay.use_account_credentials
        self._words = StatusWords(config.status_aliases)
        self._answers.cache.forget({line.name for line in gone})
        for line in gone:
            task = asyncio.create_task(line.retire(), name="retiring line")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def hush(self) -> None:
        """Drop status calls under way, before the pollers' work is laid out anew; sends go on."""
        await self._answers.hush()

    async def close(self) -> None:
        """End: sends under way may still be answered and tracked, for which the committer must be at work."""
        await self.hush()
        await self._carrier.close()
        await asyncio.gather(*(line.close() for line in self._lines.values()), *self._closing)

    async def send(self, request: web.Request) -> web.Response:
        """Answer `POST /bat/messagelist`."""
        body = await _body(request)
        if isinstance(body, web.Response):
            return self._counted(OTHER, body)
        who = self._caller(request)
        if isinstance(who, web.Response):
            return self._counted(OTHER, who)
        send = Send(
            line=who.line,
            outgoing=Outgoing("POST", who.line.url(SEND, _query(request)), who.headers, body),
            tracked=who.own,
            labels=headers.labels_in(request.headers),
            traceparent=headers.traceparent_in(request.headers),
        )
        desk = self._rules.desks.get(who.line.name)
        answer = await self._carrier.carry(send, wait=desk is None or not desk.budget.store_failed)
        return self._counted(who.label, replies.forwarded(answer))

    async def status(self, request: web.Request) -> web.Response:
        """Answer `GET /bat/message/{id}`."""
        who = self._caller(request)
        if isinstance(who, web.Response):
            return self._counted(OTHER, who)
        return self._counted(who.label, await self._status(who, request))

    async def _status(self, who: Caller, request: web.Request) -> web.Response:
        message_id = request.match_info["id"]
        if not MESSAGE_ID.fullmatch(message_id):
            return replies.error(400, "bad_message_id", f"a message id must match {MESSAGE_ID.pattern}")
        if not who.own:
            url = who.line.url(STATUS + message_id, _query(request))
            with who.line.held():
                return replies.forwarded(await forward(who.line, Outgoing("GET", url, who.headers, b"")))
        found = await self._answers.find(who.line, message_id, self._words)
        if isinstance(found, Later):
            return replies.later(found.seconds)
        if isinstance(found, NoResponse):
            return replies.not_told(found)
        return replies.told(found, self._clock.now())

    def _caller(self, request: web.Request) -> Caller | web.Response:
        """Say whose request it is: the account's whose credentials it carries, or that it may use."""
        name = request.match_info.get("account")
        lines = self._lines if name is None else {key: line for key, line in self._lines.items() if key == name}
        if not lines:
            return replies.error(404, "not_found", "no such account is configured, or the relay is off")
        now = self._clock.now()
        for line in lines.values():
            line.credentials.look(now)
        return caller(request.headers, tuple(lines.values()), may_borrow=self._use_account_credentials)

    def _counted(self, account: str, response: web.Response) -> web.Response:
        self._meter.count(account, response.status)
        return response


async def _body(request: web.Request) -> bytes | web.Response:
    """Read a request's body, or say what is wrong with it; then the connection ends, since the rest is not read."""
    if request.content_type != "application/json":
        # What a page of a browser may post anywhere without asking is none of it.
        return replies.error(415, "content_type", "send the body as Content-Type: application/json")
    try:
        return await received(request.content, LONGEST_BODY_BYTES)
    except TooLargeError:
        response = replies.error(413, "too_large", "the body is over 16 MiB")
    except TimeoutError:
        response = replies.error(408, "too_slow", "the body took over 10 s to come")
    except UnreadableError:
        response = replies.error(400, "cut_off", "the body broke off")
    response.force_close()
    return response


def _query(request: web.Request) -> str:
    return request.rel_url.raw_query_string

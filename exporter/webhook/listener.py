"""The webhook listener's paths, its tokens, and when it is open."""

from __future__ import annotations

import hmac
import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from exporter.api.errors import RefusedError
from exporter.api.receiving import LINGERING_SECONDS, whole_body
from exporter.api.routing import add_routes
from exporter.config.secrets import SecretReader
from exporter.labels import OTHER
from exporter.logs import fields
from exporter.meters import WebhookResult
from exporter.reading import StatusWords
from exporter.web.server import Server, serve
from exporter.webhook.bodies import LONGEST_BODY_BYTES, notice_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.config import Config
    from exporter.web.addresses import Address
    from exporter.webhook.receiver import Receiver

_log: Final = logging.getLogger(__name__)
FLAG: Final = "--webhook.listen-address"
_TOKEN_HEADER: Final = "X-Webhook-Token"  # noqa: S105
_BEARER: Final = "bearer "


class Tokens:
    """Which account's webhooks prove themselves by what; follows the configuration and the tokens' files."""

    def __init__(self, config: Config) -> None:
        """Read the tokens; raises SecretError."""
        self._readers: Mapping[str, SecretReader] = {
            account.name: SecretReader(account.webhook_token)
            for account in config.accounts
            if account.webhook_token is not None
        }
        self._nobodys = secrets.token_hex()

    def __len__(self) -> int:
        """Count the accounts that have one."""
        return len(self._readers)

    def fits(self, account: str, given: str) -> bool:
        """Whether this is the account's token; tells by its time neither how much of it is right nor who has one."""
        reader = self._readers.get(account)
        token = self._nobodys if reader is None else reader.current()
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())

    def problems(self) -> list[str]:
        """Say which files cannot be read again, without what they hold."""
        return [
            f"account {name}: the webhook token's file {reader.problem}; the last good value stays in use"
            for name, reader in self._readers.items()
            if reader.problem is not None
        ]


class Webhooks:
    """The listener, open while an account has a token."""

    def __init__(self, receiver: Callable[[], Receiver | None], address: Address) -> None:
        """Take who receives, None while the exporter starts, and where to listen."""
        self._when_ready = receiver
        self._address = address
        self._server: Server | None = None
        self._tokens: Tokens | None = None
        self._words = StatusWords({})

    @property
    def url(self) -> str | None:
        """Where it listens; None while it does not."""
        return None if self._server is None else self._server.url

    async def open(self, tokens: Tokens) -> None:
        """Listen if anybody has a token and nobody listens yet; raises ListenError."""
        if tokens and self._server is None:
            self._server = await serve(self._application(), self._address, FLAG)
            _log.info("webhooks are taken", extra=fields(url=self._server.url))

    async def follow(self, tokens: Tokens, config: Config) -> None:
        """Go by a configuration from now on."""
        self._tokens, self._words = tokens, StatusWords(config.status_aliases)
        if not tokens and self._server is not None:
            await self.close()
            _log.info("webhooks are taken no more")

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        return [] if self._tokens is None else self._tokens.problems()

    def _application(self) -> web.Application:
        app = web.Application(handler_args={"auto_decompress": False, "lingering_time": LINGERING_SECONDS})
        # SMSBat can only be given a URL.
        paths = ("/webhook/{account}", "/webhook/{account}/{token:.+}")
        add_routes(app, [web.post(path, self._take) for path in paths])
        return app

    async def _take(self, request: web.Request) -> web.Response:
        """Take one webhook."""
        receiver = self._when_ready()
        account = request.match_info["account"]
        if self._tokens is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "loading", "the exporter is starting; try again")
        if not any(self._tokens.fits(account, given) for given in _given(request)):
            known = receiver is not None and account in receiver.accounts()
            self._count(receiver, account if known else OTHER, WebhookResult.UNAUTHORIZED)
            text = f"send the account's token as Authorization: Bearer, {_TOKEN_HEADER}, or the end of the path"
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "token", text)
        if receiver is None:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "loading", "the exporter is starting; try again")
        try:
            message_id, notice = notice_in(await whole_body(request, LONGEST_BODY_BYTES), self._words)
        except RefusedError:
            self._count(receiver, account, WebhookResult.REJECTED)
            raise
        if not await receiver.receive(account, message_id, notice):
            raise RefusedError(HTTPStatus.NOT_FOUND, "unknown", "no such message is tracked or remembered")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _count(self, receiver: Receiver | None, account: str, result: WebhookResult) -> None:
        if receiver is not None:
            receiver.meter.count(account, result)


def _given(request: web.Request) -> list[str]:
    """Return every token that came with a request, wherever it stands; one that is missing is empty, and never fits."""
    authorization = request.headers.get(hdrs.AUTHORIZATION, "")
    bearer = authorization[len(_BEARER) :] if authorization.lower().startswith(_BEARER) else ""
    return [bearer.strip(), request.headers.get(_TOKEN_HEADER, ""), request.match_info.get("token", "")]

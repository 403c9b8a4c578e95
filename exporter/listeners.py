"""The listeners for applications and for SMSBat's webhooks; the one for Prometheus stands apart, and outlives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from exporter.api import listener as api
from exporter.api.guards import token_of
from exporter.intake.relay.paths import routes
from exporter.webhook.listener import Tokens, Webhooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.api.listener import ApiServer
    from exporter.api.messages import Backend
    from exporter.config import Config, SecretReader
    from exporter.intake.relay.relay import Relay
    from exporter.web.addresses import Address, UnixAddress
    from exporter.webhook.receiver import Receiver


class Behind(NamedTuple):
    """Who does what the listeners are asked for."""

    backend: Backend
    relay: Callable[[], Relay]
    receiver: Receiver


class Keys(NamedTuple):
    """What callers prove themselves by, under one configuration."""

    token: SecretReader | None
    """Of the API."""
    tokens: Tokens
    """Of the accounts' webhooks."""


class Listeners:
    """Both; they listen while the exporter starts, and say so."""

    def __init__(self, behind: Callable[[], Behind | None], config: Callable[[], Config]) -> None:
        """Take who does the work, None while the exporter starts, and the configuration at work."""
        self._behind = behind
        self._config = config
        self.api: ApiServer | None = None
        self.webhooks: Webhooks | None = None

    async def open(self, api_address: Address | UnixAddress, webhook_address: Address) -> None:
        """Listen; raises ListenError, SecretError."""

        def backend() -> Backend | None:
            """Return what the calls need."""
            behind = self._behind()
            return None if behind is None else behind.backend

        def relay() -> Relay | None:
            """Return who forwards sends."""
            behind = self._behind()
            return None if behind is None else behind.relay()

        def receiver() -> Receiver | None:
            """Return who takes webhooks in."""
            behind = self._behind()
            return None if behind is None else behind.receiver

        self.api = await api.start(backend, self._config, api_address, routes(relay))
        self.webhooks = Webhooks(receiver, webhook_address)
        await self.follow(await self.prepare(self._config()), self._config())

    async def prepare(self, config: Config) -> Keys:
        """Make ready all that may fail before a configuration is followed; raises ListenError, SecretError."""
        if self.api is not None:
            api.refuse_strangers(config.api, self.api.address)
        keys = Keys(token_of(config.api), Tokens(config))
        if self.webhooks is not None:
            await self.webhooks.open(keys.tokens)
        return keys

    async def follow(self, keys: Keys, config: Config) -> None:
        """Follow a configuration, whose keys are read."""
        if self.api is not None:
            self.api.follow(config.api, keys.token)
        if self.webhooks is not None:
            await self.webhooks.follow(keys.tokens, config)

    async def close(self) -> None:
        """Stop listening, let answers under way finish for a moment."""
        for server in (self.webhooks, self.api):
            if server is not None:
                await server.close()

    def urls(self) -> dict[str, str]:
        """Return where each listens, by its name."""
        listening = {"api": self.api, "webhooks": self.webhooks}
        return {name: (server and server.url) or "off" for name, server in listening.items()}

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        return [] if self.webhooks is None else self.webhooks.problems()

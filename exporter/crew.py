"""The pollers and connection pools of the accounts, exchanged when the configuration changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from exporter.client import Client
from exporter.poller import Answered, Poller
from exporter.reading import StatusWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Config
    from exporter.core import Core


class Crew:
    """One poller an account."""

    def __init__(self, core: Core, watch: Callable[[asyncio.Task[None]], None]) -> None:
        """Start with nobody at work; `watch` is told of a poller that ends."""
        self.on_answer: Answered | None = None
        """Is told what each call brought, from the next start on."""
        self._core = core
        self._watch = watch
        self._clients: dict[str, Client] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def clients(self, config: Config) -> dict[str, Client]:
        """Make the connection pools; raises SecretError when an account has no usable secret."""
        return {account.name: Client(account) for account in config.accounts}

    def start(self, clients: dict[str, Client], config: Config) -> None:
        """Begin to poll."""
        words = StatusWords(config.status_aliases)
        self._clients = clients
        for name, client in clients.items():
            desk = self._core.desks[name]
            poller = Poller(desk, client, self._core.tracker, words, self._core.clock)
            poller.on_answer = self.on_answer
            self._tasks[name] = asyncio.create_task(poller.run(), name=f"poller {name}")
            self._tasks[name].add_done_callback(self._watch)

    async def stop(self) -> None:
        """Stop polling: calls under way are dropped, and their messages wait for their next turn."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        for client in self._clients.values():
            await client.close()

    def problems(self) -> list[str]:
        """Say which secret files cannot be read again, without what they hold."""
        return [
            f"account {name}: the secret's file {problem}; the last good value stays in use"
            for name, client in self._clients.items()
            if (problem := client.credentials.problem) is not None
        ]

"""Builds the exporter, starts it, reloads it and stops it in order."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from exporter import __version__, upkeep, view
from exporter.api.messages import Backend
from exporter.config import Config, ConfigError, Problem, SecretError
from exporter.core import Core
from exporter.crew import Crew
from exporter.knowledge import Knowledge
from exporter.listeners import Behind, Listeners
from exporter.logs import fields
from exporter.metrics import Snapshot
from exporter.restoring import restored
from exporter.sources import Sources
from exporter.store import Store
from exporter.tracing.room import Tracing
from exporter.web.server import ListenError
from exporter.webhook.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.client import Client
    from exporter.clock import Clock
    from exporter.config import StoreConfig
    from exporter.intake.relay.lines import Line

_log: Final = logging.getLogger(__name__)
_LAST_COMMIT_SECONDS: Final = 3.0


class Parts(NamedTuple):
    """What is at work once the messages in flight are loaded."""

    core: Core
    sources: Sources
    behind: Behind
    crew: Crew
    tracing: Tracing


class Connections(NamedTuple):
    """What a configuration needs and may fail to get, made before anything follows it."""

    clients: dict[str, Client]
    lines: dict[str, Line]


class App:
    """The exporter as a whole: started, reloaded, stopped."""

    def __init__(
        self, config: Config, load_config: Callable[[], Config], open_store: Callable[[StoreConfig], Store]
    ) -> None:
        """Take a checked configuration, how to read it again, and how to open its store."""
        self.core: Core | None = None
        self._config = config
        """The one to start with; the core has the one at work."""
        self._load_config = load_config
        self._open_store = open_store
        self._parts: Parts | None = None
        self.listeners = Listeners(
            lambda: None if self._parts is None else self._parts.behind,
            lambda: config if self.core is None else self.core.config,
        )
        self._reloading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the exception of a part that must not end and did."""

    async def start(self, clock: Clock) -> None:
        """Open the store, take back what was in flight, and begin to poll.

        Raises StoreError when the store cannot be used, SecretError when an account has no secret.
        """
        core = await restored(self._config, clock, self._open_store(self._config.store))
        collect_seldom()
        self.core = core
        self._tasks = [
            asyncio.create_task(core.committer.run(), name="committer"),
            asyncio.create_task(upkeep.run(core), name="upkeep"),
            asyncio.create_task(core.placing.run(clock), name="placing"),
            asyncio.create_task(core.committer.recall.run(core.writer), name="recall"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._watch)
        sources = Sources(core, self._watch)
        behind = Behind(_backend(core), sources.relay, Receiver(core))
        parts = Parts(core, sources, behind, Crew(core, self._watch), Tracing(core, os.environ))
        _begin(parts, _connect(parts, self._config))
        self._parts = parts
        series = sum(len(family.samples) for family in view.snapshot(core, clock.now()).collect())
        _log.info("ready", extra=fields(version=__version__, in_flight=len(core.in_flight), estimated_series=series))

    async def reload(self) -> list[str]:
        """Read the configuration again; returns what is wrong with it, and then the old one stays."""
        async with self._reloading:
            parts = self._parts
            if parts is None:
                return ["not ready yet: try again"]
            errors = await self._reload(parts)
            parts.core.reloads.errors = tuple(errors)
            if errors:
                for error in errors:
                    _log.error("the configuration is not reloaded; the old one stays", extra=fields(why=error))
            else:
                await parts.sources.listed()
            return errors

    async def _reload(self, parts: Parts) -> list[str]:
        """Make ready all that may fail, then let every part follow; returns what fails."""
        core = parts.core
        try:
            config = await asyncio.to_thread(self._load_config)
            _refuse_what_takes_a_restart(core.config, config)
            connections = _connect(parts, config)
            keys = await self.listeners.prepare(config)
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        except (SecretError, ListenError) as error:
            return [str(error)]
        await parts.crew.stop()
        await parts.sources.hush()
        # Nothing is awaited between the old lanes and the new.
        core.follow(config)
        _begin(parts, connections)
        await self.listeners.follow(keys, config)
        core.reloads.succeeded_at = core.clock.now()
        _log.info("the configuration is reloaded")
        return []

    async def stop(self) -> None:
        """Stop polling, store what there is, and let the store go; scrapes are answered until then."""
        core = self.core
        if core is None:
            return
        if self._parts is not None:
            await self._parts.crew.stop()
            await self._parts.sources.stop()
        core.committer.stop()
        committing = self._tasks[0]
        done, _ = await asyncio.wait({committing}, timeout=_LAST_COMMIT_SECONDS)
        if not done:
            _log.error("the store does not take the last changes; what nobody was told of is lost")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if done:
            if self._parts is not None:
                await self._parts.tracing.close()
            await core.writer.close()

    @property
    def ready(self) -> bool:
        """Whether the messages in flight are loaded and polled."""
        return self._parts is not None

    def snapshot(self) -> Snapshot:
        """Return the metrics as of now; none before the store is open."""
        if self.core is None:
            return Snapshot({}, {})
        return view.snapshot(self.core, self.core.clock.now())

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        if self.core is None:
            return ["starting: the messages in flight are not loaded yet"]
        at_work = () if self._parts is None else (self._parts.crew, self._parts.sources, self.listeners)
        return view.problems(self.core) + [line for part in at_work for line in part.problems()]

    def _watch(self, task: asyncio.Task[None]) -> None:
        """A part that fails takes the process down: started anew it goes on from what is stored."""
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)


def _backend(core: Core) -> Backend:
    """Return what the API listener needs."""
    return Backend(
        accounts=core.account_names,
        admission=core.admission,
        tracker=core.tracker,
        committer=core.committer,
        knowledge=Knowledge(core.tracker, core.writer, core.account_names),
    )


def _connect(parts: Parts, config: Config) -> Connections:
    """Make the ways to SMSBat; raises SecretError."""
    return Connections(parts.crew.clients(config), parts.sources.lines(config))


def _begin(parts: Parts, connections: Connections) -> None:
    """Take messages in and poll, as the core's configuration says; raises nothing."""
    config = parts.core.config
    parts.tracing.follow(config)
    parts.sources.follow(config, connections.lines)
    parts.crew.on_answer = parts.sources.on_answer(config)
    parts.crew.start(connections.clients, config)


def _refuse_what_takes_a_restart(old: Config, new: Config) -> None:
    """Raise ConfigError when the new configuration cannot take over from the old one."""
    if old.store != new.store:
        raise ConfigError([Problem("", 0, 0, "store", "cannot change while the exporter runs: restart it")])


def collect_seldom() -> None:
    """Leave what is loaded out of garbage collection, which then runs after 20,000 new objects instead of 700."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

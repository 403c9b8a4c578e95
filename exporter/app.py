"""Builds the exporter, starts it, reloads it and stops it in order."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import TYPE_CHECKING, Final

from exporter import __version__, settings, view
from exporter.api import listener as api
from exporter.api.guards import token_of
from exporter.api.messages import Backend
from exporter.config import Config, ConfigError, SecretError
from exporter.core import Core
from exporter.crew import Crew
from exporter.intake.listed import Listed
from exporter.intake.relay.paths import routes
from exporter.knowledge import Knowledge
from exporter.logs import fields
from exporter.metrics import Snapshot
from exporter.store import Store, StoreError
from exporter.store.writer import Writer
from exporter.totals import Totals
from exporter.window import Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.api.listener import ApiServer
    from exporter.client import Client
    from exporter.clock import Clock
    from exporter.config import StoreConfig
    from exporter.intake.files import Files
    from exporter.intake.relay.lines import Line
    from exporter.intake.relay.relay import Relay
    from exporter.web.addresses import Address

_log: Final = logging.getLogger(__name__)
_TICK_SECONDS: Final = 1.0
_FORGET_EVERY_TICKS: Final = 60
_FORGET_AT_ONCE: Final = 5_000
_FOLLOW_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5.0
_LAST_COMMIT_SECONDS: Final = 3.0


class App:
    """The exporter as a whole: started, reloaded, stopped."""

    def __init__(
        self, config: Config, load_config: Callable[[], Config], open_store: Callable[[StoreConfig], Store]
    ) -> None:
        """Take a checked configuration, how to read it again, and how to open its store."""
        self.core: Core | None = None
        self._config = config
        self._load_config = load_config
        self._open_store = open_store
        self._crew: Crew | None = None
        self._listed: Listed | None = None
        self._backend: Backend | None = None
        self._files: Files | None = None
        self._relay: Relay | None = None
        self.api: ApiServer | None = None
        """The API listener, once it listens."""
        self._reloading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._following: asyncio.Task[None] | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets the exception of a part that must not end and did."""

    async def start(self, clock: Clock) -> None:
        """Open the store, take back what was in flight, and begin to poll.

        Raises StoreError when the store cannot be used, SecretError when an account has no secret.
        """
        store = self._open_store(self._config.store)
        writer = Writer(store)
        totals = Totals(settings.layout(self._config), await writer.call(lambda it: list(it.totals())))
        windows = Windows(self._config.window, await writer.call(lambda it: list(it.windows())))
        core = Core(self._config, clock, writer, totals, windows)
        await core.load()
        collect_seldom()
        self.core = core
        self._tasks = [
            asyncio.create_task(core.committer.run(), name="committer"),
            asyncio.create_task(self._tick(core), name="tick"),
            asyncio.create_task(core.placing.run(clock), name="placing"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._watch)
        self._listed = Listed(core.tracker, core.admission, writer)
        self._follow_listed(self._listed, self._config)
        self._follow_files(core, self._config)
        crew = Crew(core, self._watch)
        self._begin(crew, self._config, crew.clients(self._config), self._lines(core, self._config))
        self._crew = crew
        self._backend = self._backend_of(core)
        if idle := settings.without_effect(self._config):
            _log.warning("settings of features that this version does not have", extra=fields(settings=", ".join(idle)))
        series = sum(len(family.samples) for family in view.snapshot(core, clock.now()).collect())
        _log.info("ready", extra=fields(version=__version__, in_flight=len(core.in_flight), estimated_series=series))

    async def stop(self) -> None:
        """Stop polling, store what there is, and let the store go; scrapes are answered until then."""
        core = self.core
        if core is None:
            return
        if self._crew is not None:
            await self._crew.stop()
        if self._relay is not None:
            await self._relay.close()
        if self._files is not None:
            await self._files.stop()
        core.committer.stop()
        committing, *others = self._tasks
        if self._following is not None:
            others.append(self._following)
        done, _ = await asyncio.wait({committing}, timeout=_LAST_COMMIT_SECONDS)
        if not done:
            _log.error("the store does not take the last changes; what nobody was told of is lost")
        for task in (committing, *others):
            task.cancel()
        await asyncio.gather(committing, *others, return_exceptions=True)
        if done:
            await core.writer.close()

    def _backend_of(self, core: Core) -> Backend:
        """Return what the API listener needs."""
        return Backend(
            accounts=core.account_names,
            admission=core.admission,
            tracker=core.tracker,
            committer=core.committer,
            knowledge=Knowledge(core.tracker, core.writer, core.account_names),
        )

    async def start_api(self, address: Address) -> ApiServer:
        """Answer the application beside the exporter from now on; raises ListenError, SecretError."""
        self.api = await api.start(lambda: self._backend, lambda: self._config, address, routes(self._relay_when_ready))
        return self.api

    def _relay_of(self, core: Core) -> Relay:
        """Return the relay, made when it is first needed: it takes memory that others do without."""
        from exporter.intake.relay.relay import Relay  # noqa: PLC0415

        if self._relay is None:
            self._relay = Relay(core.admission, core.tracker, core.relay, core.clock)
        return self._relay

    def _relay_when_ready(self) -> Relay | None:
        return None if self.core is None or self._crew is None else self._relay_of(self.core)

    def _lines(self, core: Core, config: Config) -> dict[str, Line]:
        """Make the relay's ways to SMSBat; raises SecretError."""
        return {} if config.relay is None else self._relay_of(core).lines(config)

    def _begin(self, crew: Crew, config: Config, clients: dict[str, Client], lines: dict[str, Line]) -> None:
        """Begin to poll and to relay; what the pollers hear answers the relay's callers too."""
        if self._relay is not None:
            self._relay.follow(lines, config)
            crew.on_answer = None if config.relay is None else self._relay.on_answer
        crew.start(clients, config)

    def _follow_files(self, core: Core, config: Config) -> None:
        """Follow the configured files, if there are any; what is optional is only then imported."""
        if self._files is None and config.intake.files:
            from exporter.intake.files import Files  # noqa: PLC0415

            self._files = Files(core.admission, core.writer, core.clock, self._watch)
        if self._files is not None:
            self._files.follow(config)

    @property
    def ready(self) -> bool:
        """Whether the messages in flight are loaded and polled."""
        return self._crew is not None

    def snapshot(self) -> Snapshot:
        """Return the metrics as of now; none before the store is open."""
        if self.core is None:
            return Snapshot({}, {})
        return view.snapshot(self.core, self.core.clock.now())

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        core = self.core
        if core is None:
            return ["starting: the messages in flight are not loaded yet"]
        parts = [part for part in (self._crew, self._files) if part is not None]
        return view.problems(core) + [line for part in parts for line in part.problems()]

    async def reload(self) -> list[str]:
        """Read the configuration again; returns what is wrong with it, and then the old one stays."""
        async with self._reloading:
            core, crew = self.core, self._crew
            if core is None or crew is None:
                return ["not ready yet: try again"]
            try:
                config = await asyncio.to_thread(self._load_config)
                errors = _unchangeable(self._config, config)
                token = token_of(config.api)
                clients = {} if errors else crew.clients(config)
                lines = {} if errors else self._lines(core, config)
            except ConfigError as error:
                errors = [str(problem) for problem in error.problems]
            except SecretError as error:
                errors = [str(error)]
            core.reloads.errors = tuple(errors)
            if errors:
                _log.error(
                    "the configuration is not reloaded; the old one stays", extra=fields(errors="; ".join(errors))
                )
                return errors
            await crew.stop()
            if self._relay is not None:
                await self._relay.hush()
            # Nothing is awaited between the old lanes and the new.
            core.follow(config)
            self._begin(crew, config, clients, lines)
            if self.api is not None:
                self.api.guard.follow(config.api, token)
            await self._go_on_with(config, core)
            return []

    async def _go_on_with(self, config: Config, core: Core) -> None:
        """Note that a new configuration is at work, and let the sources of messages follow it."""
        self._follow_files(core, config)
        self._config = config
        core.reloads.succeeded_at = core.clock.now()
        _log.info("the configuration is reloaded")
        if self._listed is not None:
            following = self._follow_listed(self._listed, config)
            await asyncio.wait({following}, timeout=_FOLLOW_SECONDS)

    def _watch(self, task: asyncio.Task[None]) -> None:
        """A part that fails takes the process down: started anew it goes on from what is stored."""
        if not task.cancelled() and (error := task.exception()) is not None and not self.failed.done():
            self.failed.set_exception(error)

    def _follow_listed(self, listed: Listed, config: Config) -> asyncio.Task[None]:
        """Follow the listed messages beside everything else, the newest list only."""
        if self._following is not None:
            self._following.cancel()
        self._following = asyncio.create_task(_follow(listed, config), name="listed messages")
        self._following.add_done_callback(self._watch)
        return self._following

    async def _tick(self, core: Core) -> None:
        """Do once a second what time asks for."""
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            core.tracker.tick(core.clock.now())
            ticks += 1
            if ticks % _FORGET_EVERY_TICKS == 0:
                await self._forget(core)

    async def _forget(self, core: Core) -> None:
        """Forget finished messages that are older than `retention`, a little at a time."""
        before = core.clock.now() - self._config.retention
        try:
            while await core.writer.call(lambda store: store.forget(before, _FORGET_AT_ONCE)) == _FORGET_AT_ONCE:
                pass
        except StoreError as error:
            core.committer.meter.errors += 1
            _log.warning("finished messages could not be forgotten", extra=fields(why=str(error)))


async def _follow(listed: Listed, config: Config) -> None:
    """Follow a list until that is done: a store that does not work delays it, and holds up nothing else."""
    while True:
        try:
            await listed.follow(config)
        except StoreError as error:
            _log.error("the listed messages cannot be followed yet", extra=fields(why=str(error)))
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


def _unchangeable(old: Config, new: Config) -> list[str]:
    """What takes a restart."""
    return ["store: cannot change while the exporter runs: restart it"] if old.store != new.store else []


def collect_seldom() -> None:
    """Leave what is loaded out of garbage collection, which then runs after 20,000 new objects instead of 700."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

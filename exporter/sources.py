"""Where messages come from besides the API: the configuration's list, files, the relay; each follows a reload."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from exporter.intake.listed import Listed
from exporter.logs import fields
from exporter.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.config import Config
    from exporter.core import Core
    from exporter.intake.files import Files
    from exporter.intake.relay.lines import Line
    from exporter.intake.relay.relay import Relay
    from exporter.poller import Answered

_log: Final = logging.getLogger(__name__)
_FOLLOW_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 5.0


class Sources:
    """The sources of one exporter; files and the relay are made when they are first needed: they take memory."""

    def __init__(self, core: Core, watch: Callable[[asyncio.Task[None]], None]) -> None:
        """Start with none at work; `watch` is told of a source's task that ends."""
        self._core = core
        self._watch = watch
        self._listed = Listed(core.tracker, core.admission, core.writer)
        self._listing: asyncio.Task[None] | None = None
        self._files: Files | None = None
        self._relay: Relay | None = None

    def lines(self, config: Config) -> dict[str, Line]:
        """Make the relay's ways to SMSBat, for `follow`; raises SecretError."""
        return {} if config.relay is None else self.relay().lines(config)

    def follow(self, config: Config, lines: dict[str, Line]) -> None:
        """Let every source follow a configuration, whose lines are made; raises nothing."""
        self._follow_list(config)
        self._follow_files(config)
        if self._relay is not None:
            self._relay.follow(lines, config)

    def relay(self) -> Relay:
        """Return the relay, which is off while the configuration has none."""
        from exporter.intake.relay.relay import Relay  # noqa: PLC0415

        if self._relay is None:
            self._relay = Relay(self._core.admission, self._core.tracker, self._core.relay, self._core.clock)
        return self._relay

    def on_answer(self, config: Config) -> Answered | None:
        """Return who besides the tracker is told what the pollers hear: the relay, for its callers."""
        return None if config.relay is None else self.relay().on_answer

    async def listed(self) -> None:
        """Wait until the listed messages are followed, but not for long."""
        if self._listing is not None:
            await asyncio.wait({self._listing}, timeout=_FOLLOW_SECONDS)

    async def hush(self) -> None:
        """Drop the relay's status calls under way, before the pollers' work is laid out anew."""
        if self._relay is not None:
            await self._relay.hush()

    async def stop(self) -> None:
        """Take nothing more; the committer must be at work, for sends under way are still answered and tracked."""
        if self._relay is not None:
            await self._relay.close()
        if self._files is not None:
            await self._files.stop()
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.gather(self._listing, return_exceptions=True)

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each."""
        return [] if self._files is None else self._files.problems()

    def _follow_list(self, config: Config) -> None:
        """Follow the listed messages beside everything else, the newest list only."""
        if self._listing is not None:
            self._listing.cancel()
        self._listing = asyncio.create_task(_follow(self._listed, config), name="listed messages")
        self._listing.add_done_callback(self._watch)

    def _follow_files(self, config: Config) -> None:
        if self._files is None and config.intake.files:
            from exporter.intake.files import Files  # noqa: PLC0415

            self._files = Files(self._core.admission, self._core.writer, self._core.clock, self._watch)
        if self._files is not None:
            self._files.follow(config)


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

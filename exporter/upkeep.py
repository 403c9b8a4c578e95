"""Does once a second what time asks for, and forgets finished messages."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from exporter.logs import fields
from exporter.store import StoreError

if TYPE_CHECKING:
    from exporter.core import Core

_log: Final = logging.getLogger(__name__)
_TICK_SECONDS: Final = 1.0
_FORGET_EVERY_TICKS: Final = 60
_FORGET_AT_ONCE: Final = 5_000


async def run(core: Core) -> None:
    """Keep at it until cancelled."""
    ticks = 0
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        core.timekeeper.tick(core.clock.now())
        ticks += 1
        if ticks % _FORGET_EVERY_TICKS == 0:
            await _forget(core)


async def _forget(core: Core) -> None:
    """Forget finished messages that are older than `retention`, a little at a time."""
    before = core.clock.now() - core.config.retention
    try:
        while await core.writer.call(lambda store: store.forget(before, _FORGET_AT_ONCE)) == _FORGET_AT_ONCE:
            pass
    except StoreError as error:
        core.committer.meter.errors += 1
        _log.warning("finished messages could not be forgotten", extra=fields(why=str(error)))

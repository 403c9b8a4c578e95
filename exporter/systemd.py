"""Tells systemd how the process stands, where systemd runs it as `Type=notify` (sd_notify(3)); elsewhere nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Final

from exporter.logs import fields

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_log: Final = logging.getLogger(__name__)
_MICROSECONDS: Final = 1_000_000
_PATIENCE_SECONDS: Final = 1.0
"""With systemd when its queue is full: it must not miss that the process is ready."""


class Systemd:
    """The service manager, if there is one."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Take the environment, which says where it listens and how often it wants to hear."""
        path = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watched = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = env.get("WATCHDOG_USEC", "")
        counts = watched and interval.isascii() and interval.isdigit()
        self._said: str | None = None
        """Why it could not be told; a watchdog would have it said every few seconds."""
        self._watchdog_seconds = int(interval) / _MICROSECONDS if counts else 0.0

    def ready(self) -> None:
        """Say that it is up, or that a reload is over."""
        self._tell("READY=1", "STATUS=following messages")

    def reloading(self) -> None:
        """Say that it reads its configuration again."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=reloading")

    def stopping(self) -> None:
        """Say that it goes down."""
        self._tell("STOPPING=1", "STATUS=storing what is left")

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Say while the block lasts that the event loop turns, twice as often as systemd wants to hear it."""
        watching = asyncio.create_task(self._watch(), name="watchdog")
        try:
            yield
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        while self._address and self._watchdog_seconds > 0:
            self._tell("WATCHDOG=1", patience_seconds=0.0)
            await asyncio.sleep(self._watchdog_seconds / 2)

    def _tell(self, *lines: str, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.settimeout(patience_seconds)
                manager.sendto("\n".join(lines).encode(), self._address)
            self._said = None
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._said:
                self._said = why
                _log.warning("systemd cannot be told", extra=fields(why=why))

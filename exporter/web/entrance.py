"""Accepts connections one by one, plain or over TLS, as the configuration of that moment says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Final

from exporter.logs import fields

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine
    from ssl import SSLContext

_log: Final = logging.getLogger(__name__)
_HANDSHAKE_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0
"""After a connection could not be accepted, mostly for want of file descriptors."""


class Entrance:
    """A listening socket.

    A server of asyncio has one TLS context for good. Here each connection asks for its own, so that a new certificate,
    another client CA and TLS itself need no new socket.
    """

    def __init__(
        self, sock: socket.socket, application: Callable[[], asyncio.Protocol], context: Callable[[], SSLContext | None]
    ) -> None:
        """Take a listening socket, what speaks HTTP, and the TLS context of now: None for plain connections."""
        sock.setblocking(False)  # noqa: FBT003 (the socket's own call)
        self._sock = sock
        self._application = application
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._accept(), sock)

    def close(self) -> None:
        """Stop listening, and break off the handshakes under way."""
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[None, None, None], sock: socket.socket) -> None:
        """Start a task, whose socket is closed when it is broken off, also before its first step."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda task: sock.close() if task.cancelled() else None)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError as error:
                _log.warning("a connection was not accepted", extra=fields(why=os.strerror(error.errno or 0)))
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._start(self._admit(connection), connection)

    async def _admit(self, connection: socket.socket) -> None:
        context = self._context()
        timeout = None if context is None else _HANDSHAKE_SECONDS
        # Of a client that speaks no TLS, has a certificate that is not good, or is gone.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._application, connection, ssl=context, ssl_handshake_timeout=timeout
            )

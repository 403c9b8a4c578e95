"""Accepts connections one by one, plain or over TLS, as the configuration of that moment says."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Final

from exporter.logs import fields

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine
    from ssl import SSLContext

_log: Final = logging.getLogger(__name__)
_MOST_NEWCOMERS: Final = 256
"""Connections that have asked nothing yet: over TLS each costs tens of kilobytes, and nobody knows whose it is."""
_HANDSHAKE_SECONDS: Final = 10.0
_SILENT_SECONDS: Final = 30.0
"""How long a newcomer may take until the head of its request is there."""
_HEAD_ENDS: Final = b"\r\n\r\n"
_LONGEST_HEAD_BYTES: Final = 32 * 1024
"""More than the application takes, so that it can say so."""
_USED_UP: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_SECONDS: Final = 1.0
"""After a connection could not be accepted for want of descriptors or memory."""


class Entrance:
    """A listening socket.

    A server of asyncio has one TLS context for good. Here each connection asks for its own, so that a new certificate,
    another client CA and TLS itself need no new socket. The application gets a connection when it has asked something.
    """

    def __init__(
        self, sock: socket.socket, application: Callable[[], asyncio.Protocol], context: Callable[[], SSLContext | None]
    ) -> None:
        """Take a listening socket, what speaks HTTP, and the TLS context of now: None for plain connections."""
        sock.setblocking(False)  # noqa: FBT003 (the socket's own call)
        self._sock = sock
        self._application = application
        self._context = context
        self._newcomers: dict[asyncio.Task[None], None] = {}
        """The oldest first."""
        self._accepting = self._start(self._accept(), sock)

    def close(self) -> None:
        """Stop listening, and break off with everybody who has not asked anything yet."""
        for task in (self._accepting, *self._newcomers):
            task.cancel()

    def _start(self, work: Coroutine[None, None, None], sock: socket.socket) -> asyncio.Task[None]:
        """Start a task, whose socket is closed when it fails or is broken off, also before its first step."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(lambda done: _end(done, sock))
        return task

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._sock)
            except OSError as error:
                is_used_up = error.errno in _USED_UP
                if is_used_up:
                    _log.warning("a connection was not accepted", extra=fields(why=os.strerror(error.errno or 0)))
                await asyncio.sleep(_PAUSE_SECONDS if is_used_up else 0)
                continue
            if len(self._newcomers) >= _MOST_NEWCOMERS:
                oldest = next(iter(self._newcomers))
                del self._newcomers[oldest]  # at once: it ends some turns of the loop later
                oldest.cancel()
            newcomer = self._start(self._admit(connection), connection)
            self._newcomers[newcomer] = None
            newcomer.add_done_callback(lambda done: self._newcomers.pop(done, None))
            # asyncio's sock_accept does not wait while connections do: the others would have no turn in a rush.
            await asyncio.sleep(0)

    async def _admit(self, connection: socket.socket) -> None:
        context, newcomer = self._context(), _Newcomer()
        try:
            async with asyncio.timeout(_SILENT_SECONDS):
                transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: newcomer,
                    connection,
                    ssl=context,
                    ssl_handshake_timeout=None if context is None else _HANDSHAKE_SECONDS,
                )
                try:
                    await newcomer.asks
                except asyncio.CancelledError:
                    transport.abort()
                    raise
        except OSError:  # the client speaks no TLS, has a certificate that is not good, is gone or says nothing
            return
        try:
            newcomer.hand_over(transport, self._application())
        except OSError:
            transport.abort()


def _end(done: asyncio.Task[None], sock: socket.socket) -> None:
    error = None if done.cancelled() else done.exception()
    if done.cancelled() or error is not None:
        sock.close()
    if error is not None:
        _log.error("a connection failed", exc_info=error)


class _Newcomer(asyncio.Protocol):
    """A connection until the head of its request is there."""

    def __init__(self) -> None:
        self.asks = asyncio.get_running_loop().create_future()
        self._said = bytearray()
        self._ended = False
        self._lost = False

    def data_received(self, data: bytes) -> None:
        seen = max(0, len(self._said) - len(_HEAD_ENDS))
        self._said += data
        if len(self._said) > _LONGEST_HEAD_BYTES or self._said.find(_HEAD_ENDS, seen) >= 0:
            self._has_asked()

    def eof_received(self) -> None:
        self._ended = True
        self._has_asked()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's own)
        self._lost = True
        self._has_asked()

    def _has_asked(self) -> None:
        if not self.asks.done():
            self.asks.set_result(None)

    def hand_over(self, transport: asyncio.Transport, application: asyncio.Protocol) -> None:
        """Have the application go on with the connection, if it is still there."""
        if self._lost or not self._said:
            transport.close()
            return
        transport.set_protocol(application)
        application.connection_made(transport)
        application.data_received(bytes(self._said))
        if self._ended:
            application.eof_received()

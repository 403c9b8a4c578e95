"""A server on loopback that says exactly the bytes a test gives it, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Is called once a request, after its head was read; the connection is closed when it says so itself."""


class RawServer:
    """Where it listens, and the heads of the requests it got, each as it came."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.port = 0
        self.requests: list[bytes] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """What was asked for, request by request."""
        return [head.split(b" ", 2)[1].decode() for head in self.requests]

    def headers(self, name: str) -> list[str]:
        """Return the values of a header in the last request."""
        lines = [line.partition(b": ") for line in self.requests[-1].split(b"\r\n")[1:]]
        return [value.decode() for key, _, value in lines if key.decode().lower() == name.lower()]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                    await self.handler(reader, writer)
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def close(self) -> None:
        for _ in range(10):  # who writes to a client that has gone notices by itself
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[RawServer]:
    """Run a server for as long as the block lasts."""
    raw = RawServer(handler)
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        await raw.close()


def response(code: int = 200, body: bytes = b"{}", headers: str = "") -> bytes:
    """Return an answer's bytes; `headers` are whole lines."""
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def answering(code: int = 200, body: bytes = b"{}", headers: str = "") -> Handler:
    """Return a handler that gives every request the same answer and keeps the connection."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(code, body, headers))

    return handle


def saying(*chunks: bytes, then_close: bool = True) -> Handler:
    """Return a handler that writes these bytes, and closes the connection or falls silent."""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
        if then_close:
            writer.close()
        else:
            await asyncio.Event().wait()

    return handle

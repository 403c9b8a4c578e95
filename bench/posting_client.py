"""Posts messages one by one over several connections: `python -m bench.posting_client URL CLIENTS COUNT CORE`.

It writes and reads the bytes of HTTP itself: a whole client library would take longer than the server, and then both
servers would look alike.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop

from bench.cores import pin

_END_OF_HEAD: Final = b"\r\n\r\n"


class _Client(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def next(self) -> None:
        """Send a request, if there is one left."""
        assert self._transport is not None
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
        else:
            self._transport.close()
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END_OF_HEAD)
        if end and len(body) >= _length(head):
            assert head.startswith(b"HTTP/1.1 202"), self._received
            self._received = b""
            self.next()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


def _request(host: str) -> bytes:
    body = b'{"messageId": "%s", "channel": "sms", "ttl": 300}' % str(uuid.uuid4()).encode()
    head = f"POST /api/v1/messages HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def _post(url: str, clients: int, count: int) -> float:
    """Send so many requests in all; returns seconds."""
    loop, parts = asyncio.get_running_loop(), urlsplit(url)
    host, port = parts.hostname or "", parts.port or 0
    requests = iter([_request(parts.netloc) for _ in range(count)])
    opened = [(await loop.create_connection(lambda: _Client(requests), host, port))[1] for _ in range(clients)]
    began = time.perf_counter()
    for client in opened:
        client.next()
    await asyncio.gather(*(client.done for client in opened))
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print seconds."""
    url, clients, count, core = sys.argv[1], *map(int, sys.argv[2:5])
    pin(core)
    print(uvloop.run(_post(url, clients, count)))


if __name__ == "__main__":
    main()

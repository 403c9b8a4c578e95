"""Binds the sockets of listeners, on the network or at a path."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
import time
from typing import TYPE_CHECKING, Final

from exporter.web.addresses import Address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from exporter.web.addresses import UnixAddress

BACKLOG: Final = 4096
"""Connections that may wait to be accepted, where the system allows it: one too many tries again after a second."""
_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.05
"""Between tries to be alone in a folder; in a thread of its own."""
_MODE: Final = 0o660
"""Of a Unix socket: the user and the group may connect, as containers of a pod with one fsGroup do."""


def bound_socket(address: Address | UnixAddress) -> socket.socket:
    """Return a listening socket; raises OSError. For every interface it takes IPv6 and IPv4, where both are there."""
    if not isinstance(address, Address):
        return _at_path(address.path)
    if address.is_every_interface:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", address.port), family=family, dualstack_ipv6=dual, backlog=BACKLOG)
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name with both kinds of address means IPv4, as in Go.
    family, _, _, _, name = min(found, key=lambda info: info[0] != socket.AF_INET)
    return socket.create_server(name, family=family, backlog=BACKLOG)


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file is at a path, None for none: another process may have put its own there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def reason(error: OSError) -> str:
    """Give the system's words alone: `create_server` adds the address to them."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _at_path(path: Path) -> socket.socket:
    with _alone_in(path.parent), contextlib.ExitStack() as unless_it_listens:
        if _is_left_over(path):
            path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX)
        unless_it_listens.callback(sock.close)
        sock.bind(str(path))
        path.chmod(_MODE)
        sock.listen(BACKLOG)
        unless_it_listens.pop_all()
    return sock


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Of two that find the same socket left over, one looks after the other has begun to listen.

    Where the folder cannot be locked, or somebody keeps it locked, there is no such order.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
        except OSError:
            return
        else:
            return


def _is_left_over(path: Path) -> bool:
    """Whether a process that was killed has left its socket behind: then nobody answers at it."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as caller:
        caller.setblocking(False)  # noqa: FBT003 (the socket's own call); one who is busy does not answer at once
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False

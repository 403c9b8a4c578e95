"""Binds the sockets of listeners, on the network or at a path."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING, Final

from exporter.web.addresses import Address

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.web.addresses import UnixAddress

BACKLOG: Final = 4096
"""Connections that may wait to be accepted, where the system allows it: one too many tries again after a second."""
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


def removed(path: Path) -> None:
    """Remove a socket that nobody listens on any more, if it is still there."""
    with contextlib.suppress(OSError):
        path.unlink()


def reason(error: OSError) -> str:
    """Give the system's words alone: `create_server` adds the address to them."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _at_path(path: Path) -> socket.socket:
    if _is_left_over(path):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    with contextlib.ExitStack() as unless_it_listens:
        unless_it_listens.callback(sock.close)
        sock.bind(str(path))
        path.chmod(_MODE)
        sock.listen(BACKLOG)
        unless_it_listens.pop_all()
    return sock


def _is_left_over(path: Path) -> bool:
    """Whether a process that was killed has left its socket behind: then nobody answers at it."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False

"""Reads a listen address the way Prometheus' flags write it, and `unix:` where only this machine may come."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Final

import msgspec

_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\]:([0-9]{1,5})", re.ASCII)
_LABEL: Final = "[A-Za-z0-9_-]{1,63}"
# Only what the resolver can look up: it raises more than an OSError for an empty or overlong label.
_PLAIN: Final = re.compile(rf"((?:{_LABEL}(?:\.{_LABEL})*)?):([0-9]{{1,5}})", re.ASCII)
_HIGHEST_PORT: Final = 65535
_ALL_IPV6: Final = "::"
_UNIX: Final = "unix:"
_LONGEST_PATH_BYTES: Final = 103
"""Of a Unix socket: what the shortest of the systems takes."""


class AddressError(ValueError):
    """A listen address that cannot be read; the text names it and what is wrong."""


class Address(msgspec.Struct, frozen=True):
    """Where to listen: a host name or IP address, `""` for every interface, and a port, 0 for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_every_interface(self) -> bool:
        """Whether IPv4 and IPv6 are both meant; as in Go, `[::]` means both too."""
        return self.host in {"", _ALL_IPV6}


class UnixAddress(msgspec.Struct, frozen=True):
    """Where to listen: a path at which nobody but this machine comes, and of it only who may write there."""

    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


def parse_local(text: str) -> Address | UnixAddress:
    """Read `unix:/run/smsbat-exporter/api.sock`, or what `parse` reads."""
    if not text.startswith(_UNIX):
        return parse(text)
    path = text.removeprefix(_UNIX)
    if not path or not path.isprintable():
        raise AddressError(f"{text!r} is no listen address: write the path of a socket behind {_UNIX}")
    if len(os.fsencode(path)) > _LONGEST_PATH_BYTES:
        raise AddressError(f"{text!r} is no listen address: the path is longer than {_LONGEST_PATH_BYTES} bytes")
    return UnixAddress(Path(path))


def parse(text: str) -> Address:
    """Read `:10767`, `127.0.0.1:0`, `localhost:9` or `[::1]:80`."""
    if bracketed := _BRACKETED.fullmatch(text):
        return Address(_ipv6(bracketed[1], text), _port(bracketed[2], text))
    if plain := _PLAIN.fullmatch(text):
        return Address(plain[1], _port(plain[2], text))
    raise AddressError(f"{text!r} is no listen address: write host:port, [IPv6 address]:port or :port")


def _ipv6(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise AddressError(f"{text!r} is no listen address: {host!r} is no IPv6 address") from None


def _port(digits: str, text: str) -> int:
    port = int(digits)
    if port > _HIGHEST_PORT:
        raise AddressError(f"{text!r} is no listen address: port {port} is above {_HIGHEST_PORT}")
    return port

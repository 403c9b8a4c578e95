"""The web configuration as it is now, read again when one of its files changes; while it is bad, the last good one."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from exporter.config import ConfigError, Problem
from exporter.config.certificates import Pem, validity
from exporter.config.secrets import signature_at
from exporter.config.web_config import load_web_config
from exporter.logs import fields
from exporter.web import tls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from ssl import SSLContext

    from exporter.clock import Clock
    from exporter.config.secrets import Signature
    from exporter.config.web_config import TlsServer, WebConfig

_log: Final = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 1.0
"""Between tries to read what cannot be read; and how long a file that asks for less has to stay as it is."""
_USERS: Final = "basic_auth_users"


class Rules(NamedTuple):
    """What holds now."""

    config: WebConfig
    signatures: Mapping[Path, Signature]
    is_empty: bool
    context: SSLContext | None
    limits: tuple[tuple[str, float, float], ...]
    """What can expire, from when until when it is valid, in Unix seconds."""


class Following:
    """Looks at the files whenever it is asked: a few `stat` when none has changed."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Read the file at the path; raises ConfigError."""
        self._path = path
        self._clock = clock
        self.rules = _read(path)
        """What held when it was last asked."""
        self._errors: tuple[Problem, ...] = ()
        self._doubted: Mapping[Path, Signature] | None = None
        """The state of files that ask for less than before."""
        self._tried_at = clock.now()
        self._told: set[str] = set()
        self._authorities: WeakKeyDictionary[SSLContext, str] = WeakKeyDictionary()
        self._remember_authorities()

    def current(self) -> Rules:
        """Return what holds."""
        now = self._clock.now()
        changed = any(signature_at(path) != signature for path, signature in self.rules.signatures.items())
        waits = bool(self._errors) or self._doubted is not None
        if (changed or waits) and not (waits and abs(now - self._tried_at) < _PAUSE_SECONDS):
            self._try(now)
        for problem in self.problems():
            if problem not in self._told:
                self._told.add(problem)
                _log.warning("the web configuration needs attention", extra=fields(why=problem))
        return self.rules

    def verifies_as(self, context: SSLContext | None) -> bool:
        """Whether clients' certificates that passed under a context would pass now."""
        now = self.rules.context
        return context is not None and now is not None and self._authorities.get(context) == self._authorities.get(now)

    def problems(self) -> list[str]:
        """Say what is wrong now, a line each; nothing of what the files hold, and no user's name."""
        kept = "the last good web configuration stays in use"
        return [f"web: {_nameless(error)}; {kept}" for error in self._errors] + [*self._shortcomings()]

    def _shortcomings(self) -> Iterator[str]:
        now = self._clock.now()
        if self.rules.is_empty:
            yield f"web: {self._path} is empty, so everybody gets in: write {{}} into it if that is meant"
        for name, begins_at, ends_at in self.rules.limits:
            if ends_at <= now:
                yield f"web: {name} expired at {_shown(ends_at)}; put a new one in its file, which is read again"
            elif begins_at > now:
                yield f"web: {name} is not valid before {_shown(begins_at)}"

    def _try(self, now: float) -> None:
        self._tried_at = now
        try:
            rules = _read(self._path)
        except ConfigError as error:
            self._errors, self._doubted = tuple(error.problems), None
            return
        if rules.is_empty and not self.rules.is_empty:
            # A full disk, or somebody who is about to write it.
            why = "is empty: write {} for no protection"
            self._errors, self._doubted = (Problem(str(self._path), 1, 1, "", why),), None
            return
        self._errors = ()
        if _asks_for_less(rules.config, self.rules.config) and rules.signatures != self._doubted:
            # Perhaps somebody is only half through writing it.
            self._doubted = rules.signatures
            return
        self.rules, self._doubted = rules, None
        self._remember_authorities()
        self._told.clear()
        _log.info("the web configuration is read again")

    def _remember_authorities(self) -> None:
        server, context = self.rules.config.tls_server_config, self.rules.context
        if context is not None and server is not None:
            self._authorities[context] = server.client_ca.text.get_secret_value() if server.client_ca else ""


def _read(path: Path) -> Rules:
    try:
        config, signatures, is_empty = load_web_config(path)
        server = config.tls_server_config
        context = None if server is None else tls.context(server)
    except OSError as error:  # no descriptors left, or OpenSSL's
        why = f"cannot be used: {error.strerror or type(error).__name__}"
        raise ConfigError([Problem(str(path), 0, 0, "", why)]) from None
    limits = () if server is None else _limits(server.cert, server.client_ca)
    return Rules(config, signatures, is_empty, context, limits)


def _limits(chain: Pem | None, authorities: Pem | None) -> tuple[tuple[str, float, float], ...]:
    """Tell when a chain breaks, at its first end, and when no client can be verified any more, at the last one."""
    limits = []
    if chain is not None:
        begins, ends = zip(*validity(chain), strict=True)
        limits.append(("the certificate", max(begins), min(ends)))
    if authorities is not None:
        begins, ends = zip(*validity(authorities), strict=True)
        limits.append(("the client CA", min(begins), max(ends)))
    return tuple(limits)


def _asks_for_less(new: WebConfig, old: WebConfig) -> bool:
    """Whether somebody gets in by the new one whom the old one kept out, other than by another secret."""
    if old.basic_auth_users and not new.basic_auth_users:
        return True
    return old.tls_server_config is not None and _shows_less(new.tls_server_config, old.tls_server_config)


def _shows_less(new: TlsServer | None, old: TlsServer) -> bool:
    if new is None or (old.client_allowed_sans and not new.client_allowed_sans):
        return True
    required = "RequireAndVerifyClientCert"
    return old.client_auth_type == required != new.client_auth_type


def _nameless(problem: Problem) -> Problem:
    return replace(problem, key=_USERS) if problem.key.startswith(_USERS) else problem


def _shown(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

"""Certificates of an authority of the tests' own, as the files that a web configuration names."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import bcrypt
import trustme

USER = "prometheus"
PASSWORD = "pass-8f2b"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
"""The least that bcrypt works, so that tests do not wait for it."""
CLIENT = "prometheus.monitoring.svc"


class Authority:
    """An authority that writes what it issues into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self._below = self._ca.create_child_ca()
        self.file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(
        self,
        name: str,
        *identities: str,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        below: bool = False,
    ) -> None:
        """Write `name.pem` and `name-key.pem`; of an authority below this one, write `below.pem` too."""
        authority = self._below if below else self._ca
        issued = authority.issue_cert(*identities, not_before=not_before, not_after=not_after)
        if below:
            self._below.cert_pem.write_to_path(self.folder / "below.pem")
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        (self.folder / f"{name}.pem").write_bytes(chain)
        (self.folder / f"{name}-key.pem").write_bytes(issued.private_key_pem.bytes())

    def client(self, name: str | None = None) -> ssl.SSLContext:
        """Return how a client trusts this authority, with the certificate of a name if one is given."""
        context = ssl.create_default_context(cafile=self.file)
        if name is not None:
            context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        return context


def established(folder: Path) -> Authority:
    """Found an authority with a certificate for a server at loopback, and one for a client."""
    authority = Authority(folder)
    authority.issue("server", "localhost", "127.0.0.1")
    authority.issue("client", CLIENT)
    return authority


TLS = "tls_server_config:\n  cert_file: server.pem\n  key_file: server-key.pem\n"
CLIENTS = "  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
USERS = f"basic_auth_users:\n  {USER}: {HASH}\n"


def written(folder: Path, text: str) -> Path:
    """Write web.yml."""
    path = folder / "web.yml"
    path.write_text(text)
    return path

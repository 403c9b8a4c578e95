"""TLS as the web configuration wants it: the context of new connections, and which clients' certificates will do."""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING, Any, Final

from exporter.config.certificates import load_authorities, load_chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config.web_config import TlsServer

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_NAMES: Final = frozenset({"DNS", "IP Address", "URI", "email"})
_CIPHERS: Final = {
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
}
"""OpenSSL's names of what Go's names end with."""


def context(tls: TlsServer) -> ssl.SSLContext:
    """Return the context; all that can fail was checked with the configuration.

    A client without a certificate gets as far as HTTP also where one is required: the kubelet has none, and must
    reach the probes. `refuses` stops it there.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version, made.maximum_version = _VERSIONS[tls.min_version], _VERSIONS[tls.max_version]
    made.set_alpn_protocols(["http/1.1"])
    if not tls.prefer_server_cipher_suites:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if tls.cipher_suites:
        made.set_ciphers(":".join(map(_openssl_name, tls.cipher_suites)))
    if tls.cert is not None and tls.key is not None:
        load_chain(made, tls.cert, tls.key)
    if tls.verifies and tls.client_ca is not None:
        load_authorities(made, tls.client_ca)
        made.verify_mode = ssl.CERT_OPTIONAL
    return made


def refuses(tls: TlsServer, certificate: Mapping[str, Any] | None) -> bool:
    """Whether a client has to be turned away; `certificate` is the one it has proven to hold, None without one."""
    if not certificate:
        return tls.client_auth_type == "RequireAndVerifyClientCert"
    names = {_plain(name) for kind, name in certificate.get("subjectAltName", ()) if kind in _NAMES}
    return bool(tls.client_allowed_sans) and names.isdisjoint(map(_plain, tls.client_allowed_sans))


def _plain(name: str) -> str:
    """Write a name in the one way of many that it is compared in."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name.lower()


def _openssl_name(suite: str) -> str:
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    return f"{exchange.replace('_', '-')}-{_CIPHERS[cipher]}"

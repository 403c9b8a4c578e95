"""TLS as the web configuration wants it: the context of new connections, and which clients' certificates will do."""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING, Any, Final

from exporter.config.certificates import load_authorities, load_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.config.web_config import TlsServer

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
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
    names: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    allowed = tls.client_allowed_sans
    return bool(allowed) and not any(_is(kind, name, one) for kind, name in names for one in allowed)


def _is(kind: str, name: str, allowed: str) -> bool:
    """Whether a name of a certificate is one that is allowed; only hosts are written in several ways."""
    if kind == "DNS":
        return name.lower() == allowed.lower()
    if kind == "IP Address":
        return _address(name) == _address(allowed)
    return kind in {"URI", "email"} and name == allowed


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text


def _openssl_name(suite: str) -> str:
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    return f"{exchange.replace('_', '-')}-{_CIPHERS[cipher]}"

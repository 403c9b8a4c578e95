"""Certificates and their keys as PEM text: whether they fit, and until when they are valid."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr

from exporter.config.secrets import Signature, read_text_file

_LONGEST_BYTES: Final = 1024 * 1024
"""A bundle of all public authorities is a quarter of it."""
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_CERTIFICATE: Final = re.compile(_BEGIN + r"[^-]*-----END CERTIFICATE-----")
_VERSION_TAG: Final = 0xA0
_UTC_TIME_TAG: Final = 0x17


class Pem(msgspec.Struct, frozen=True):
    """PEM text, and the file that it was read from, if any."""

    text: SecretStr
    path: Path | None = None
    signature: Signature | None = None


class EncryptedKeyError(Exception):
    """A private key that wants a passphrase, which nobody is there to type."""


def read_pem(path: Path) -> Pem:
    """Read a PEM file; raise SecretError."""
    text, signature = read_text_file(path, _LONGEST_BYTES)
    return Pem(SecretStr(text), path, signature)


def load_chain(context: ssl.SSLContext, certificate: Pem, key: Pem) -> None:
    """Have a context serve a certificate, from the bytes that were read; raise ValueError when the two do not fit."""
    chain = "\n".join(_blocks(certificate))
    with _as_file(chain) as certificate_file, _as_file(key.text.get_secret_value()) as key_file:
        try:
            context.load_cert_chain(certificate_file, key_file, _no_passphrase)
        except EncryptedKeyError:
            raise ValueError("is encrypted: give a key without a passphrase") from None
        except ssl.SSLError as error:
            raise ValueError(_why(error.reason or "")) from None


def _why(reason: str) -> str:
    """Say what OpenSSL has against a key and its certificate."""
    if "MISMATCH" in reason or reason == "NO_CERTIFICATE_ASSIGNED":  # none of the key's kind
        return "does not belong to the certificate"
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return "or its certificate is too weak: use one of the NIST curves, or RSA of 2048 bits or more"
    return "holds no private key"


def load_authorities(context: ssl.SSLContext, authorities: Pem) -> None:
    """Have a context verify by certificates; each is trusted as it is, an intermediate too. Raise ValueError."""
    try:
        context.load_verify_locations(cadata="\n".join(_blocks(authorities)))
    except ssl.SSLError:
        raise ValueError("holds a certificate that cannot be read") from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def validity(chain: Pem) -> tuple[tuple[float, float], ...]:
    """Return from when until when each certificate is valid, in Unix seconds; raise ValueError for a bad one."""
    load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), chain)  # OpenSSL reads them closer than we do
    try:
        return tuple(_validity(ssl.PEM_cert_to_DER_cert(block)) for block in _blocks(chain))
    except (ValueError, IndexError):
        raise ValueError("holds a certificate that cannot be read") from None


def _blocks(chain: Pem) -> list[str]:
    """Return the certificates without what stands between them, which may be anything."""
    text = chain.text.get_secret_value()
    blocks: list[str] = _CERTIFICATE.findall(text)
    if not blocks:
        raise ValueError("holds no certificate in PEM")
    if len(blocks) != text.count(_BEGIN) or not all(map(str.isascii, blocks)):
        raise ValueError("holds a certificate that cannot be read")
    return blocks


def _no_passphrase() -> str:
    """OpenSSL would ask for it at the terminal."""
    raise EncryptedKeyError


@contextlib.contextmanager
def _as_file(pem: str) -> Iterator[str]:
    """OpenSSL reads its own files only; this one holds what was checked, also when the original has changed since."""
    content = pem.encode()
    if hasattr(os, "memfd_create"):  # in memory, since the root file system may be read-only
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name


def _validity(der: bytes) -> tuple[float, float]:
    """Read Certificate > tbsCertificate > validity > notBefore and notAfter (RFC 5280, section 4.1)."""
    _, inside_certificate, _ = _element(der, 0)
    _, at, _ = _element(der, inside_certificate)
    tag, _, end = _element(der, at)
    at = end if tag == _VERSION_TAG else at
    for _ in ("serialNumber", "signature", "issuer"):
        _, _, at = _element(der, at)
    _, not_before, _ = _element(der, at)
    _, _, not_after = _element(der, not_before)
    return _moment(der, not_before), _moment(der, not_after)


def _moment(der: bytes, at: int) -> float:
    tag, start, end = _element(der, at)
    text = der[start:end].decode("ascii")
    if tag == _UTC_TIME_TAG:  # two digits of the year: 1950 to 2049
        text = ("20" if text < "50" else "19") + text
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC).timestamp()


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Return the tag of the DER element at a place, where its content starts, and where it ends."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size], "big"), start + size
    return tag, start, start + length

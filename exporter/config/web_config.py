"""TLS, users and headers of the web listener: the file of `--web.config.file`, in the format of exporter-toolkit.

The format is Prometheus' own (docs/web-configuration.md of prometheus/exporter-toolkit). What of it cannot be done here
is refused, never ignored: it is all about who gets in.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from exporter.config.certificates import Pem, load_chain, validity
from exporter.config.fields import STRICT, Switch, Text
from exporter.config.loading import in_file, sections_in, validated
from exporter.config.problems import ConfigError, Problem
from exporter.config.secrets import SecretError, Signature, read_text_file
from exporter.config.web_fields import (
    BcryptHash,
    ClientAuth,
    Header,
    HeaderText,
    PemFile,
    PemText,
    Suite,
    User,
    Version,
)

_VERIFYING: Final = frozenset({"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"})
_HEADER_VALUES: Final[Mapping[Header, frozenset[str]]] = {
    "X-Content-Type-Options": frozenset({"nosniff"}),
    "X-Frame-Options": frozenset({"deny", "sameorigin"}),
}


class TlsServer(BaseModel):
    """What the listener proves itself by, and its callers have to; `cert`, `key`, `client_ca` hold the PEM text."""

    model_config = STRICT

    cert_file: PemFile = None
    cert: PemText = None
    key_file: PemFile = None
    key: PemText = None
    client_ca_file: PemFile = None
    client_ca: PemText = None
    client_auth_type: ClientAuth = Field("NoClientCert", validate_default=True)
    client_allowed_sans: tuple[Text, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Suite, ...] = ()
    prefer_server_cipher_suites: Switch = True

    @property
    def verifies(self) -> bool:
        """Whether a client's certificate counts for anything."""
        return self.client_auth_type in _VERIFYING

    @field_validator("cert_file", "cert", "client_ca_file", "client_ca")
    @classmethod
    def _readable(cls, value: Pem | None) -> Pem | None:
        if value is not None:
            validity(value)
        return value

    @field_validator("cert", "key")
    @classmethod
    def _given(cls, value: Pem | None, info: ValidationInfo) -> Pem | None:
        # A file that was refused has said so itself.
        if value is None and f"{info.field_name}_file" in info.data:
            raise ValueError(f"is needed: give {info.field_name}_file or {info.field_name}")
        return value

    @field_validator("key_file", "key")
    @classmethod
    def _fits(cls, value: Pem | None, info: ValidationInfo) -> Pem | None:
        certificate: Pem | None = info.data.get("cert")
        if value is not None and certificate is not None and value != info.data.get("key_file"):
            load_chain(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, value)
        return value

    @field_validator("client_auth_type")
    @classmethod
    def _has_what_it_verifies_by(cls, value: ClientAuth, info: ValidationInfo) -> ClientAuth:
        if not {"client_ca_file", "client_ca"} <= info.data.keys():
            return value  # one was refused
        if value in _VERIFYING and info.data["client_ca"] is None:
            raise ValueError(f"{value} needs client_ca_file or client_ca")
        if value not in _VERIFYING and info.data["client_ca"] is not None:
            raise ValueError("must be RequireAndVerifyClientCert or VerifyClientCertIfGiven for the client CA to count")
        return value

    @field_validator("client_allowed_sans")
    @classmethod
    def _are_verified(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("client_auth_type") not in {*_VERIFYING, None}:
            raise ValueError("need client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven")
        return value

    @field_validator("max_version")
    @classmethod
    def _not_below_min(cls, value: Version, info: ValidationInfo) -> Version:
        if value < info.data.get("min_version", value):
            raise ValueError("must not be below min_version")
        return value


class HttpServer(BaseModel):
    """How the listener speaks HTTP: always 1.1, which a client that could speak 2 takes as well."""

    model_config = STRICT

    http2: Switch = True
    headers: dict[Header, HeaderText] = {}

    @field_validator("headers")
    @classmethod
    def _known_values(cls, headers: dict[Header, str]) -> dict[Header, str]:
        for name, allowed in _HEADER_VALUES.items():
            if name in headers and headers[name].lower() not in allowed:
                raise ValueError(f"{name} must be {' or '.join(sorted(allowed))}")
        return headers


class WebConfig(BaseModel):
    """Who gets into the web listener, and how."""

    model_config = STRICT

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[User, BcryptHash] = {}


class LoadedWebConfig(NamedTuple):
    """A web configuration, and the states of the files that it was read from."""

    config: WebConfig
    signatures: Mapping[Path, Signature]
    is_empty: bool
    """The file says nothing, not even `{}`."""


def load_web_config(path: Path) -> LoadedWebConfig:
    """Read the file and those it names; raise ConfigError with all that is wrong with them."""
    file = str(path)
    try:
        text, signature = read_text_file(path)
    except SecretError as error:
        raise ConfigError([Problem(file, 0, 0, "", str(error))]) from None
    # A bcrypt hash has dollars of its own.
    root, document = sections_in(file, text.encode(), None, "tls_server_config:")
    config = validated(WebConfig, root, path.parent, document.faults, in_file(file, document))
    tls = config.tls_server_config
    parts = () if tls is None else (tls.cert, tls.key, tls.client_ca)
    read = {pem.path: pem.signature for pem in parts if pem and pem.path and pem.signature}
    return LoadedWebConfig(config, {path: signature, **read}, is_empty=document.value is None)

"""The types of the web listener's settings: which values are taken, and why others are refused."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, SecretStr, ValidationInfo

from exporter.config.certificates import Pem, read_pem
from exporter.config.fields import file_at, text_or_file

Suite = Literal[
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
]
"""Those of TLS 1.2 that Go holds secure, by its names; those of TLS 1.3 cannot be chosen there either."""
Header = Literal[
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
]

_HASH: Final = re.compile(r"\$2[abxy]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_COSTS: Final = range(4, 15)
"""Each one doubles the time: 14 takes about a second, 31 a day."""


def _pem_file(value: object, info: ValidationInfo) -> Pem:
    if isinstance(value, Pem):
        return value
    return read_pem(file_at(value, info))


def _pem_text(value: object) -> Pem:
    if isinstance(value, Pem):
        return value
    if isinstance(value, str):
        return Pem(SecretStr(str(value)))
    raise ValueError("must be text")  # pydantic wants ValueError


def _bcrypt(value: object) -> SecretStr:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 (pydantic wants ValueError)
    found = _HASH.fullmatch(value)
    if found is None:
        raise ValueError("must be a bcrypt hash such as `htpasswd -nB` prints after the colon, not a password")
    if int(found[1]) not in _COSTS:
        raise ValueError(
            f"must have a cost of {_COSTS[0]} to {_COSTS[-1]}, not {found[1]}: checking it would take too long"
        )
    return SecretStr(value)


def _user(name: str) -> str:
    if not name or ":" in name or not name.isprintable():
        raise ValueError("must be a name without a colon")
    return name


def _some_proof(value: object) -> object:
    if value == "RequireAnyClientCert":
        raise ValueError("RequireAnyClientCert verifies nothing: use RequireAndVerifyClientCert with client_ca_file")
    return value


def _safe_version(value: object) -> object:
    if value in ("TLS10", "TLS11"):  # a list or a section may stand there
        raise ValueError("is no longer safe (RFC 8996): use TLS12 or TLS13")
    return value


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be one line of ASCII text")
    return value


ClientAuth = Annotated[
    Literal["NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    BeforeValidator(_some_proof),
]
Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_safe_version)]
PemFile = Annotated[Pem, PlainValidator(_pem_file)] | None
PemText = Annotated[
    Annotated[Pem, PlainValidator(_pem_text)] | None, AfterValidator(text_or_file), Field(validate_default=True)
]
"""PEM text; with its `_file` twin in the model before it, the text however it was given."""
User = Annotated[str, AfterValidator(_user)]
BcryptHash = Annotated[SecretStr, PlainValidator(_bcrypt)]
HeaderText = Annotated[str, AfterValidator(_header)]

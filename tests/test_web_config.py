"""The file of --web.config.file: what is taken, and each refusal with its place."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificates
from pydantic import SecretStr

from exporter.config import ConfigError
from exporter.config.certificates import Pem, validity
from exporter.config.web_config import TlsServer, load_web_config
from tests.certificates import CLIENTS, HASH, PASSWORD, TLS, USERS, established, written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("web")
    established(made)
    (made / "nothing.pem").write_text("no PEM\n")
    key = load_pem_private_key((made / "server-key.pem").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    (made / "locked-key.pem").write_bytes(locked)
    broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    (made / "broken.pem").write_text(broken)
    (made / "folder").mkdir()
    return made


def problems(folder: Path, text: str) -> list[str]:
    path = written(folder, text)
    with pytest.raises(ConfigError) as refused:
        load_web_config(path)
    return [str(problem).removeprefix(f"{path}:") for problem in refused.value.problems]


def test_an_empty_section_of_each_kind_protects_nothing(folder: Path) -> None:
    for text in ("http_server_config: {}\nbasic_auth_users: {}\n", "{}\n", ""):
        config, files, is_empty = load_web_config(written(folder, text))
        assert (config.tls_server_config, config.basic_auth_users, config.http_server_config.headers) == (None, {}, {})
        assert list(files) == [folder / "web.yml"]
        assert is_empty is (text == "")


def test_everything_that_the_format_has_arrives(folder: Path) -> None:
    text = (
        TLS + CLIENTS + "  client_allowed_sans: [prometheus.monitoring.svc]\n"
        "  min_version: TLS12\n  max_version: TLS12\n  prefer_server_cipher_suites: false\n"
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
        "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n"
        "    Strict-Transport-Security: max-age=31536000\n" + USERS
    )
    config, files, _ = load_web_config(written(folder, text))
    tls = config.tls_server_config
    assert tls is not None
    assert tls.verifies
    assert tls.key is not None
    assert tls.key.text.get_secret_value() == (folder / "server-key.pem").read_text()
    assert (tls.min_version, tls.max_version, tls.prefer_server_cipher_suites) == ("TLS12", "TLS12", False)
    assert tls.client_allowed_sans == ("prometheus.monitoring.svc",)
    assert config.http_server_config.headers["X-Frame-Options"] == "deny"
    assert config.basic_auth_users["prometheus"].get_secret_value() == HASH
    assert {path.name for path in files} == {"web.yml", "server.pem", "server-key.pem", "ca.pem"}


def test_certificates_can_stand_in_the_file_itself(folder: Path) -> None:
    def inline(name: str) -> str:
        return "".join(f"    {line}\n" for line in (folder / name).read_text().splitlines())

    text = f"tls_server_config:\n  cert: |\n{inline('server.pem')}  key: |\n{inline('server-key.pem')}"
    config, files, _ = load_web_config(written(folder, text))
    assert config.tls_server_config is not None
    assert list(files) == [folder / "web.yml"]
    assert "PRIVATE KEY" not in repr(config)


def test_a_dollar_is_a_dollar(folder: Path) -> None:
    config, _, _ = load_web_config(written(folder, "http_server_config: {headers: {X-XSS-Protection: '${HOME}'}}\n"))
    assert config.http_server_config.headers == {"X-XSS-Protection": "${HOME}"}


def test_neither_a_hash_nor_a_key_shows_in_a_repr(folder: Path) -> None:
    shown = repr(load_web_config(written(folder, TLS + CLIENTS + USERS)))
    assert HASH not in shown
    assert (folder / "server-key.pem").read_text().splitlines()[1] not in shown


SERVER = "tls_server_config:\n  cert_file: server.pem\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SERVER, ["1:1: tls_server_config.key: is needed: give key_file or key"]),
        (
            "tls_server_config: {}\n",
            [
                "1:1: tls_server_config.cert: is needed: give cert_file or cert",
                "1:1: tls_server_config.key: is needed: give key_file or key",
            ],
        ),
        (
            SERVER + "  key_file: gone.pem\n",
            ["3:13: tls_server_config.key_file: cannot be read: No such file or directory"],
        ),
        (SERVER + "  key_file: folder\n", ["3:13: tls_server_config.key_file: is not a regular file"]),
        (SERVER + "  key_file: nothing.pem\n", ["3:13: tls_server_config.key_file: holds no private key"]),
        (
            SERVER + "  key_file: client-key.pem\n",
            ["3:13: tls_server_config.key_file: does not belong to the certificate"],
        ),
        (
            SERVER + "  key_file: locked-key.pem\n",
            ["3:13: tls_server_config.key_file: is encrypted: give a key without a passphrase"],
        ),
        (
            "tls_server_config:\n  cert_file: nothing.pem\n  key_file: server-key.pem\n",
            ["2:14: tls_server_config.cert_file: holds no certificate in PEM"],
        ),
        (
            "tls_server_config:\n  cert_file: broken.pem\n  key_file: server-key.pem\n",
            ["2:14: tls_server_config.cert_file: holds a certificate that cannot be read"],
        ),
        (
            TLS + "  key: text\n",
            ["4:8: tls_server_config.key: give either key or key_file, not both"],
        ),
        (
            TLS + "  client_auth_type: RequireAndVerifyClientCert\n",
            ["4:21: tls_server_config.client_auth_type: RequireAndVerifyClientCert needs client_ca_file or client_ca"],
        ),
        (
            TLS + "  client_ca_file: ca.pem\n",
            [
                (
                    "1:1: tls_server_config.client_auth_type: must be RequireAndVerifyClientCert or "
                    "VerifyClientCertIfGiven for the client CA to count"
                )
            ],
        ),
        (
            TLS + "  client_auth_type: RequireAnyClientCert\n",
            [
                (
                    "4:21: tls_server_config.client_auth_type: RequireAnyClientCert verifies nothing: "
                    "use RequireAndVerifyClientCert with client_ca_file"
                )
            ],
        ),
        (
            TLS + "  client_allowed_sans: [a]\n",
            [
                (
                    "4:3: tls_server_config.client_allowed_sans: "
                    "need client_auth_type RequireAndVerifyClientCert or VerifyClientCertIfGiven"
                )
            ],
        ),
        (
            TLS + "  min_version: TLS11\n",
            ["4:16: tls_server_config.min_version: is no longer safe (RFC 8996): use TLS12 or TLS13"],
        ),
        (
            TLS + "  min_version: TLS13\n  max_version: TLS12\n",
            ["5:16: tls_server_config.max_version: must not be below min_version"],
        ),
        (
            TLS + "  curve_preferences: [X25519]\n",
            [
                (
                    "4:3: tls_server_config.curve_preferences: is no setting here: there are cert, cert_file, "
                    "cipher_suites, client_allowed_sans, client_auth_type, client_ca, client_ca_file, key, key_file, "
                    "max_version, min_version, prefer_server_cipher_suites"
                )
            ],
        ),
        (
            "rate_limit: {burst: 1}\n",
            ["1:1: rate_limit: is no setting here: there are basic_auth_users, http_server_config, tls_server_config"],
        ),
        ("tls_server_confg: {}\n", ["1:1: tls_server_confg: is no setting: did you mean tls_server_config?"]),
        (
            "http_server_config: {headers: {Server: x}}\n",
            [
                (
                    "1:32: http_server_config.headers.Server: must be 'Content-Security-Policy', "
                    "'Strict-Transport-Security', 'X-Content-Type-Options', 'X-Frame-Options' or 'X-XSS-Protection'"
                )
            ],
        ),
        (
            'http_server_config: {headers: {X-XSS-Protection: "0\\r\\nSet-Cookie: a=b"}}\n',
            ["1:50: http_server_config.headers.X-XSS-Protection: must be one line of ASCII text"],
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: maybe}}\n",
            ["1:22: http_server_config.headers: X-Frame-Options must be deny or sameorigin"],
        ),
        (
            f"basic_auth_users: {{prometheus: {PASSWORD}}}\n",
            [
                (
                    "1:32: basic_auth_users.prometheus: must be a bcrypt hash such as `htpasswd -nB` prints after the "
                    "colon, not a password"
                )
            ],
        ),
        (
            f"basic_auth_users: {{'a:b': '{HASH}'}}\n",
            ["1:20: basic_auth_users.a…: must be a name without a colon"],
        ),
        (
            f"basic_auth_users: {{me: '{HASH.replace('$04$', '$15$')}'}}\n",
            ["1:24: basic_auth_users.me: must have a cost of 4 to 14, not 15: checking it would take too long"],
        ),
        (
            f"tls_server_config:\n  {'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg'}: x\n",
            [
                "1:1: tls_server_config.cert: is needed: give cert_file or cert",
                "1:1: tls_server_config.key: is needed: give key_file or key",
                (
                    "2:3: tls_server_config.MIGHAgEA…: is no setting here: there are cert, cert_file, cipher_suites, "
                    "client_allowed_sans, client_auth_type, client_ca, client_ca_file, key, key_file, max_version, "
                    "min_version, prefer_server_cipher_suites"
                ),
            ],
        ),
        ("- a\n", ["1:1: must be a section of keys, such as `tls_server_config:`"]),
        ("a: b: c\n", ["1:5: is not YAML: mapping values are not allowed in this context"]),
    ],
)
def test_what_is_wrong_is_refused_at_its_place(folder: Path, text: str, expected: list[str]) -> None:
    found = problems(folder, text)
    assert found == expected
    assert PASSWORD not in "".join(found)


def test_a_file_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read: No such file or directory"):
        load_web_config(tmp_path / "none.yml")


def test_a_key_of_another_kind_is_the_certificates_no_more_than_another_one(folder: Path) -> None:
    rsa = generate_private_key(65537, 2048)
    (folder / "rsa.pem").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    expected = ["3:13: tls_server_config.key_file: does not belong to the certificate"]
    assert problems(folder, SERVER + "  key_file: rsa.pem\n") == expected


WRONG_KINDS = ("", "null", "[a]", "[]", "{a: b}", "{}", "5", "true", "'text'", '"\\0"')


@pytest.mark.parametrize("value", WRONG_KINDS)
@pytest.mark.parametrize("name", [*TlsServer.model_fields, "anything"])
def test_no_value_of_tls_whatever_is_more_than_refused(folder: Path, name: str, value: str) -> None:
    rest = "".join(f"  {line.strip()}\n" for line in TLS.splitlines()[1:] if name not in line)
    with contextlib.suppress(ConfigError):
        load_web_config(written(folder, f"tls_server_config:\n{rest}  {name}: {value}\n"))


@pytest.mark.parametrize("value", WRONG_KINDS)
@pytest.mark.parametrize(
    "place",
    [
        *("basic_auth_users: {me: @}", "basic_auth_users: @", "tls_server_config: @", "http_server_config: @"),
        *("http_server_config: {headers: @}", "http_server_config: {headers: {X-Frame-Options: @}}"),
        *("http_server_config: {http2: @}", "@", "anything: @"),
    ],
)
def test_no_value_elsewhere_is_more_than_refused(folder: Path, place: str, value: str) -> None:
    with contextlib.suppress(ConfigError):
        load_web_config(written(folder, place.replace("@", value) + "\n"))


def test_a_chain_that_is_joined_without_a_newline_is_a_chain(folder: Path) -> None:
    chain = (folder / "server.pem").read_text().rstrip() + (folder / "ca.pem").read_text()
    (folder / "joined.pem").write_text(chain)
    config, _, _ = load_web_config(written(folder, TLS.replace("server.pem", "joined.pem")))
    assert config.tls_server_config is not None


def test_a_user_without_a_hash_is_named(folder: Path) -> None:
    assert problems(folder, "basic_auth_users: {me: {a: b}}\n") == ["1:20: basic_auth_users.me: must be text"]


def test_what_is_refused_leaves_nothing_open(folder: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for key in ("folder", "gone.pem", "nothing.pem", "client-key.pem", "locked-key.pem"):
        problems(folder, SERVER + f"  key_file: {key}\n")
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_the_end_of_each_certificate_of_a_chain_is_read(folder: Path) -> None:
    chain = (folder / "server.pem").read_text() + (folder / "ca.pem").read_text()
    read = load_pem_x509_certificates(chain.encode())
    expected = [(each.not_valid_before_utc.timestamp(), each.not_valid_after_utc.timestamp()) for each in read]
    assert list(validity(Pem(SecretStr(chain)))) == expected
    assert len(expected) == 2


def test_the_end_of_a_certificate_of_the_first_version_is_read(folder: Path) -> None:
    der = load_pem_x509_certificates((folder / "ca.pem").read_bytes())[0].public_bytes(Encoding.DER)
    version = bytes.fromhex("a003020102")
    at = der.index(version)
    # Both sequences around it have their lengths in two bytes each, just before what they hold.
    shorter = bytearray(der.replace(version, b""))
    for place in (2, at - 2):
        length = int.from_bytes(der[place : place + 2], "big") - len(version)
        shorter[place : place + 2] = length.to_bytes(2, "big")
    pem = Pem(SecretStr(ssl.DER_cert_to_PEM_cert(bytes(shorter))))
    assert validity(pem) == validity(Pem(SecretStr((folder / "ca.pem").read_text())))

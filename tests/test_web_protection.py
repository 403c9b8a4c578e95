"""The web listener behind TLS and users, seen by real clients, while its files change."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import bcrypt
import pytest

from exporter.config import ConfigError
from exporter.web.addresses import Address
from exporter.web.listener import start
from exporter.web.protection import Protection
from exporter.web.server import Server
from tests.certificates import CLIENT, CLIENTS, PASSWORD, TLS, USER, USERS, Authority, established, written
from tests.test_web_listener import WELL
from tests.virtual_time import START, HandClock

LOOPBACK: Final = Address("127.0.0.1", 0)
OPEN: Final = ("/-/healthy", "/-/ready")
GUARDED: Final = ("/", "/metrics", "/-/reload", "/nothing")


def signed_in(password: str) -> Mapping[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(USER, password)}


KNOWN: Final = signed_in(PASSWORD)


class Listener:
    """A protected listener, and whoever asks it over new connections."""

    def __init__(self, server: Server, protection: Protection, clock: HandClock) -> None:
        self.server = server
        self.protection = protection
        self.clock = clock

    async def status(
        self, path: str = "/metrics", tls: ssl.SSLContext | None = None, user: Mapping[str, str] | None = None
    ) -> int:
        """Ask once, over a connection of its own."""
        connector = aiohttp.TCPConnector(ssl=True if tls is None else tls)
        async with (
            aiohttp.ClientSession(connector=connector, headers=user) as session,
            session.get(self.server.url + path) as answer,
        ):
            return answer.status

    async def serial(self, tls: ssl.SSLContext) -> str:
        """Return which certificate a new connection is shown."""
        assert isinstance(self.server.address, Address)
        _, writer = await asyncio.open_connection("127.0.0.1", self.server.address.port, ssl=tls)
        serial = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return str(serial)


@asynccontextmanager
async def protected(folder: Path, text: str) -> AsyncIterator[Listener]:
    clock = HandClock()
    clock.at = dt.datetime.now(dt.UTC).timestamp()
    protection = Protection(written(folder, text), clock)
    server = await start(WELL, LOOPBACK, protection)
    try:
        yield Listener(server, protection, clock)
    finally:
        await server.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return established(tmp_path)


async def test_tls_is_served_and_plain_http_is_not(authority: Authority) -> None:
    async with protected(authority.folder, TLS) as listener:
        assert listener.server.url.startswith("https://127.0.0.1:")
        assert await listener.status(tls=authority.client()) == 200
        plain = listener.server.url.replace("https", "http")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(plain + "/metrics")


async def test_a_client_that_says_nothing_holds_up_nobody(authority: Authority) -> None:
    async with protected(authority.folder, TLS) as listener:
        assert isinstance(listener.server.address, Address)
        _, silent = await asyncio.open_connection("127.0.0.1", listener.server.address.port)
        assert await listener.status(tls=authority.client()) == 200
        silent.close()


@pytest.mark.parametrize("path", OPEN)
async def test_probes_need_neither_certificate_nor_user(authority: Authority, path: str) -> None:
    async with protected(authority.folder, TLS + CLIENTS + USERS) as listener:
        assert await listener.status(path, authority.client()) == 200


@pytest.mark.parametrize("path", GUARDED)
async def test_everything_else_needs_the_certificate_where_one_is_required(authority: Authority, path: str) -> None:
    async with protected(authority.folder, TLS + CLIENTS) as listener:
        assert await listener.status(path, authority.client()) == 403
        assert await listener.status(path, authority.client("client")) != 403


@pytest.mark.parametrize("path", GUARDED)
async def test_everything_else_needs_a_user_where_there_are_users(authority: Authority, path: str) -> None:
    async with protected(authority.folder, USERS) as listener:
        assert await listener.status(path) == 401
        assert await listener.status(path, user=KNOWN) != 401


async def test_the_certificate_does_not_replace_the_user_nor_the_other_way_round(authority: Authority) -> None:
    async with protected(authority.folder, TLS + CLIENTS + USERS) as listener:
        assert await listener.status(tls=authority.client("client")) == 401
        assert await listener.status(tls=authority.client(), user=KNOWN) == 403
        assert await listener.status(tls=authority.client("client"), user=KNOWN) == 200


async def test_a_certificate_of_another_authority_does_not_get_through(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = established(tmp_path / "other")
    stranger = authority.client()
    stranger.load_cert_chain(other.folder / "client.pem", other.folder / "client-key.pem")
    async with protected(authority.folder, TLS + CLIENTS) as listener:
        for path in ("/metrics", *OPEN):
            with pytest.raises(aiohttp.ClientError):
                await listener.status(path, stranger)


async def test_a_certificate_that_is_given_freely_is_verified_all_the_same(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = established(tmp_path / "other")
    stranger = authority.client()
    stranger.load_cert_chain(other.folder / "client.pem", other.folder / "client-key.pem")
    given = CLIENTS.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven")
    async with protected(authority.folder, TLS + given) as listener:
        assert await listener.status(tls=authority.client()) == 200
        assert await listener.status(tls=authority.client("client")) == 200
        with pytest.raises(aiohttp.ClientError):
            await listener.status(tls=stranger)


@pytest.mark.parametrize(("name", "status"), [(CLIENT, 200), ("grafana.monitoring.svc", 403)])
async def test_only_the_names_that_are_allowed_get_through(authority: Authority, name: str, status: int) -> None:
    sans = f"  client_allowed_sans: ['{name}']\n"
    async with protected(authority.folder, TLS + CLIENTS + sans) as listener:
        assert await listener.status(tls=authority.client("client")) == status


async def test_versions_are_kept_within_their_bounds(authority: Authority) -> None:
    async with protected(authority.folder, TLS + "  min_version: TLS13\n") as listener:
        old = authority.client()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientError):
            await listener.status(tls=old)
        assert await listener.status(tls=authority.client()) == 200


@pytest.mark.parametrize(
    "suite", ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"]
)
async def test_only_the_cipher_suites_that_are_listed_are_spoken(authority: Authority, suite: str) -> None:
    names = {"AES_256": "ECDHE-ECDSA-AES256-GCM-SHA384", "CHACHA20": "ECDHE-ECDSA-CHACHA20-POLY1305"}
    async with protected(authority.folder, TLS + f"  max_version: TLS12\n  cipher_suites: [{suite}]\n") as listener:
        for part, name in names.items():
            client = authority.client()
            client.set_ciphers(name)
            if part in suite:
                assert await listener.status(tls=client) == 200
            else:
                with pytest.raises(aiohttp.ClientError):
                    await listener.status(tls=client)


async def test_configured_headers_come_with_every_answer_and_win(authority: Authority) -> None:
    text = (
        "http_server_config:\n  headers:\n    X-Frame-Options: deny\n    Content-Security-Policy: default-src 'self'\n"
    )
    async with (
        protected(authority.folder, text + USERS) as listener,
        aiohttp.ClientSession(listener.server.url) as session,
    ):
        for path, user in (("/", KNOWN), ("/metrics", None), ("/-/healthy", None), ("/nothing", KNOWN)):
            async with session.get(path, headers=user) as answer:
                assert answer.headers["X-Frame-Options"] == "deny"
                assert answer.headers["Content-Security-Policy"] == "default-src 'self'"


async def test_a_user_is_told_how_to_sign_in_and_nothing_else(authority: Authority) -> None:
    async with (
        protected(authority.folder, USERS) as listener,
        aiohttp.ClientSession(listener.server.url) as session,
        session.get("/metrics", headers=signed_in("wrong")) as answer,
    ):
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="smsbat-exporter", charset="UTF-8"'
        assert await answer.text() == "Unauthorized\n"


async def test_a_new_certificate_is_shown_to_the_next_connection(authority: Authority) -> None:
    async with protected(authority.folder, TLS) as listener:
        first = await listener.serial(authority.client())
        authority.issue("server", "localhost", "127.0.0.1")
        second = await listener.serial(authority.client())
        assert first != second
        assert listener.protection.problems() == []


async def test_a_connection_of_before_the_change_ends_with_its_next_answer(authority: Authority) -> None:
    async with (
        protected(authority.folder, TLS) as listener,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=authority.client())) as session,
    ):
        url = listener.server.url + "/metrics"
        async with session.get(url) as answer:
            assert answer.headers.get("Connection") != "close"
        authority.issue("server", "localhost", "127.0.0.1")
        async with session.get(url) as answer:
            assert answer.headers["Connection"] == "close"
        async with session.get(url) as answer:
            assert answer.headers.get("Connection") != "close"


async def test_half_a_swap_keeps_the_old_certificate_until_the_key_has_come(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with protected(authority.folder, TLS) as listener:
        first = await listener.serial(authority.client())
        old_key = (authority.folder / "server-key.pem").read_bytes()
        authority.issue("server", "localhost", "127.0.0.1")
        new_key = (authority.folder / "server-key.pem").read_bytes()
        (authority.folder / "server-key.pem").write_bytes(old_key)
        for _ in range(3):
            assert await listener.serial(authority.client()) == first
        (problem,) = listener.protection.problems()
        assert problem.endswith("does not belong to the certificate; the last good web configuration stays in use")
        assert [record.levelname for record in caplog.records].count("WARNING") == 1, "said once"
        (authority.folder / "server-key.pem").write_bytes(new_key)
        assert await listener.serial(authority.client()) == first, "what is wrong is read once a second at most"
        listener.clock.at += 1
        assert await listener.serial(authority.client()) != first
        assert listener.protection.problems() == []
        (authority.folder / "server-key.pem").write_bytes(old_key)
        await listener.serial(authority.client())
        assert [record.levelname for record in caplog.records].count("WARNING") == 2, "and again when it is wrong again"


async def test_a_swap_through_a_symlink_as_kubelets_do_it_is_seen(authority: Authority, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for version in ("..1", "..2"):
        (secret / version).mkdir(parents=True)
        authority.issue("server", "localhost", "127.0.0.1")
        for name in ("server.pem", "server-key.pem"):
            (authority.folder / name).rename(secret / version / name)
    (secret / "..data").symlink_to("..1")
    for name in ("server.pem", "server-key.pem"):
        (secret / name).symlink_to(f"..data/{name}")
    text = TLS.replace("server", str(secret / "server")).replace(f"tls_{secret / 'server'}", "tls_server")
    async with protected(authority.folder, text) as listener:
        first = await listener.serial(authority.client())
        (secret / "..new").symlink_to("..2")
        (secret / "..new").rename(secret / "..data")
        assert await listener.serial(authority.client()) != first


async def test_an_expired_certificate_is_served_named_and_replaced(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    end = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(hours=1)
    authority.issue("server", "localhost", "127.0.0.1", not_after=end)
    async with protected(authority.folder, TLS) as listener:
        await listener.serial(authority.client())
        assert listener.protection.problems() == []
        listener.clock.at = end.timestamp()
        await listener.serial(authority.client())
        (problem,) = listener.protection.problems()
        assert problem.startswith(f"web: the certificate expired at {end:%Y-%m-%dT%H:%M:%SZ}; ")
        assert [record.levelname for record in caplog.records].count("WARNING") == 1
        authority.issue("server", "localhost", "127.0.0.1")
        await listener.serial(authority.client())
        assert listener.protection.problems() == []


async def test_the_first_certificate_of_a_chain_to_expire_counts_and_the_last_authority_of_a_bundle(
    authority: Authority, tmp_path: Path
) -> None:
    now = dt.datetime.now(dt.UTC)
    authority.issue("server", "localhost", "127.0.0.1")
    authority.issue("old", "ca.example", not_after=now - dt.timedelta(days=1))
    old = (tmp_path / "old.pem").read_text()
    for name, expired in (("server.pem", "the certificate"), ("ca.pem", None)):
        before = (tmp_path / name).read_text()
        (tmp_path / name).write_text(before + old)
        async with protected(authority.folder, TLS + CLIENTS) as listener:
            problems = listener.protection.problems()
            assert [problem.split(" expired")[0] for problem in problems] == ([f"web: {expired}"] if expired else [])
        (tmp_path / name).write_text(before)
    (tmp_path / "ca.pem").write_text(old)
    async with protected(authority.folder, TLS + CLIENTS) as listener:
        (problem,) = listener.protection.problems()
        assert problem.startswith("web: the client CA expired at ")


def test_the_server_or_the_client_chooses_the_cipher(authority: Authority) -> None:
    for text, chooses in (("", True), ("  prefer_server_cipher_suites: false\n", False)):
        protection = Protection(written(authority.folder, TLS + text), HandClock())
        context = protection.context()
        assert context is not None
        assert bool(context.options & ssl.OP_CIPHER_SERVER_PREFERENCE) is chooses


async def test_closing_breaks_off_handshakes_and_no_handshake_that_fails_is_an_error(authority: Authority) -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with protected(authority.folder, TLS) as listener:
        assert isinstance(listener.server.address, Address)
        port = listener.server.address.port
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            writer.write_eof()
            await reader.read()
            writer.close()
        silent, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await listener.status(tls=authority.client()) == 200
    async with asyncio.timeout(5):
        assert await silent.read() == b""
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    gc.collect()
    assert errors == []


async def waits_a_second(listener: Listener) -> None:
    """Less is asked for from the second on in which the file stays as it is."""
    assert await listener.status() == 401
    assert await listener.status() == 401
    listener.clock.at += 1


async def test_users_and_tls_follow_the_file_while_it_runs(authority: Authority) -> None:
    async with protected(authority.folder, USERS) as listener:
        assert await listener.status(user=KNOWN) == 200
        other = bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode()
        written(authority.folder, f"basic_auth_users: {{{USER}: '{other}'}}\n")
        assert await listener.status(user=KNOWN) == 401
        assert await listener.status(user=signed_in("another")) == 200
        written(authority.folder, "http_server_config: {}\n")
        await waits_a_second(listener)
        assert await listener.status() == 200
        written(authority.folder, TLS)
        with pytest.raises(aiohttp.ClientConnectionError):
            await listener.status()


@pytest.mark.parametrize(
    "broken",
    ["basic_auth_users: {prometheus: x}\n", "tls_server_config: {}\n", "- a\n", "\x00", "", "# nothing\n", "~\n"],
)
async def test_a_broken_file_never_opens_the_door(authority: Authority, broken: str) -> None:
    async with protected(authority.folder, TLS + CLIENTS + USERS) as listener:
        written(authority.folder, broken)
        client = authority.client("client")
        assert await listener.status(tls=client) == 401
        assert await listener.status(tls=client, user=KNOWN) == 200
        assert all(
            line.endswith("the last good web configuration stays in use") for line in listener.protection.problems()
        )
        (authority.folder / "web.yml").unlink()
        listener.clock.at += 1
        assert await listener.status(tls=client) == 401
        (problem,) = listener.protection.problems()
        assert "web.yml: cannot be read: No such file or directory" in problem


@pytest.mark.parametrize("lines", range(len((TLS + CLIENTS + USERS).splitlines())))
async def test_a_file_that_is_written_bit_by_bit_opens_nothing_meanwhile(authority: Authority, lines: int) -> None:
    whole = TLS + CLIENTS + USERS
    async with protected(authority.folder, whole) as listener:
        for part in whole.splitlines(keepends=True)[:lines], [*whole.splitlines(keepends=True)[:lines], " "]:
            written(authority.folder, "".join(part))
            listener.clock.at += 1
            assert await listener.status(tls=authority.client("client")) == 401
            assert await listener.status(tls=authority.client(), user=KNOWN) == 403
        written(authority.folder, whole)
        listener.clock.at += 1
        assert await listener.status(tls=authority.client("client"), user=KNOWN) == 200
        assert listener.protection.problems() == []


@pytest.mark.parametrize("less", [TLS + CLIENTS, TLS + USERS, USERS])
async def test_a_file_that_asks_for_less_counts_once_it_has_stayed_for_a_second(
    authority: Authority, less: str
) -> None:
    async with protected(authority.folder, TLS + CLIENTS + USERS) as listener:
        written(authority.folder, less)
        assert await listener.status(tls=authority.client("client")) == 401
        listener.clock.at += 1
        assert listener.protection.context() is not None or "tls" not in less
        listener.clock.at += 1
        if less == USERS:
            assert listener.protection.context() is None
        else:
            client = authority.client("client") if "client_ca" in less else authority.client()
            assert await listener.status(tls=client, user=KNOWN) == 200


async def test_a_client_of_an_authority_that_is_taken_back_gets_no_answer_more(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = established(tmp_path / "other")
    connector = aiohttp.TCPConnector(ssl=authority.client("client"))
    async with (
        protected(authority.folder, TLS + CLIENTS) as listener,
        aiohttp.ClientSession(listener.server.url, connector=connector) as session,
    ):
        async with session.get("/metrics") as answer:
            assert answer.status == 200
        authority.file.write_bytes(other.file.read_bytes())
        async with session.get("/metrics") as answer:
            assert (answer.status, answer.headers["Connection"]) == (403, "close")


@pytest.mark.parametrize("path", ["/metrics", "/nothing"])
async def test_a_plain_connection_ends_once_tls_is_on(authority: Authority, path: str) -> None:
    async with (
        protected(authority.folder, "http_server_config: {}\n") as listener,
        aiohttp.ClientSession(listener.server.url) as session,
    ):
        async with session.get(path) as answer:
            assert answer.status in {200, 404}
        written(authority.folder, TLS)
        async with session.get(path) as answer:
            assert (answer.status, answer.headers["Connection"]) == (403, "close")


async def test_an_answer_that_is_an_error_ends_a_connection_of_before_too(authority: Authority) -> None:
    async with (
        protected(authority.folder, TLS) as listener,
        aiohttp.ClientSession(listener.server.url, connector=aiohttp.TCPConnector(ssl=authority.client())) as session,
    ):
        async with session.get("/nothing") as answer:
            assert "Connection" not in answer.headers
        authority.issue("server", "localhost", "127.0.0.1")
        async with session.get("/nothing") as answer:
            assert (answer.status, answer.headers["Connection"]) == (404, "close")


async def test_an_authority_below_another_can_vouch_for_clients_alone(authority: Authority) -> None:
    authority.issue("client", CLIENT, below=True)
    async with protected(authority.folder, TLS + CLIENTS.replace("ca.pem", "below.pem")) as listener:
        assert await listener.status(tls=authority.client("client")) == 200


async def test_text_between_the_certificates_of_a_bundle_is_nobodys_business(authority: Authority) -> None:
    bundle = "# Főtanúsítvány\n" + authority.file.read_text() + "# end\n"
    authority.file.write_text(bundle, "utf-8")
    async with protected(authority.folder, TLS + CLIENTS) as listener:
        assert await listener.status(tls=authority.client("client")) == 200


async def test_half_a_bundle_is_refused_and_said(authority: Authority) -> None:
    async with protected(authority.folder, TLS + CLIENTS) as listener:
        whole = authority.file.read_text()
        authority.file.write_text(whole + whole[: len(whole) // 2])
        assert await listener.status("/-/healthy", tls=ssl_of_anybody()) == 200
        (problem,) = listener.protection.problems()
        assert "tls_server_config.client_ca_file: holds a certificate that cannot be read" in problem
        assert await listener.status(tls=ssl_of_anybody()) == 403


def ssl_of_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_a_certificate_that_is_not_valid_yet_is_named(authority: Authority) -> None:
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=1)
    authority.issue("server", "localhost", "127.0.0.1", not_before=begin, not_after=begin + dt.timedelta(days=1))
    async with protected(authority.folder, TLS) as listener:
        (problem,) = listener.protection.problems()
        assert problem == f"web: the certificate is not valid before {begin:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("identity", "allowed", "status"),
    [
        ("fd00::12", "fd00:0:0::12", 200),
        ("10.0.0.1", "10.0.0.1", 200),
        ("10.0.0.1", "10.0.0.2", 403),
        ("Prometheus.svc", "prometheus.SVC", 200),
        ("sre@example.org", "sre@example.org", 200),
        ("Sre@example.org", "sre@example.org", 403),
        ("prometheus.svc", "prometheus", 403),
    ],
)
async def test_names_are_compared_as_what_they_name(
    authority: Authority, identity: str, allowed: str, status: int
) -> None:
    authority.issue("client", identity)
    sans = f"  client_allowed_sans: ['{allowed}']\n"
    async with protected(authority.folder, TLS + CLIENTS + sans) as listener:
        assert await listener.status(tls=authority.client("client")) == status


async def test_who_comes_while_too_many_passwords_wait_is_sent_away_for_a_second(authority: Authority) -> None:
    async with (
        protected(authority.folder, USERS) as listener,
        aiohttp.ClientSession(listener.server.url, connector=aiohttp.TCPConnector(limit=0)) as session,
    ):

        async def guess(number: int) -> tuple[int, str | None]:
            async with session.get("/metrics", headers=signed_in(f"guess-{number}")) as answer:
                return answer.status, answer.headers.get("Retry-After")

        answers = set(await asyncio.gather(*map(guess, range(200))))
        assert answers == {(401, None), (429, "1")}
        assert await listener.status(user=KNOWN) == 200


@pytest.mark.parametrize(
    ("path", "user", "stays"),
    [("/metrics", KNOWN, True), ("/metrics", None, False), ("/-/healthy", None, False), ("/nothing", None, False)],
)
async def test_only_who_got_in_keeps_a_connection(
    authority: Authority,
    path: str,
    user: Mapping[str, str] | None,
    stays: bool,  # noqa: FBT001
) -> None:
    async with (
        protected(authority.folder, USERS) as listener,
        aiohttp.ClientSession(listener.server.url) as session,
        session.get(path, headers=user) as answer,
    ):
        assert (answer.headers.get("Connection") != "close") is stays


async def test_an_empty_file_at_the_start_is_said(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    async with protected(authority.folder, "") as listener:
        assert await listener.status() == 200
        (problem,) = listener.protection.problems()
        assert problem.endswith("web.yml is empty, so everybody gets in: write {} into it if that is meant")
        assert [record.levelname for record in caplog.records].count("WARNING") == 1


async def test_no_user_is_named_to_strangers(authority: Authority) -> None:
    async with protected(authority.folder, USERS) as listener:
        written(authority.folder, USERS.replace("$2b$", "$9z$"))
        await listener.status()
        (problem,) = listener.protection.problems()
        assert "basic_auth_users: must be a bcrypt hash" in problem
        assert USER not in problem


def test_a_broken_file_at_the_start_is_refused(tmp_path: Path) -> None:
    clock = HandClock()
    assert clock.now() == START
    with pytest.raises(ConfigError):
        Protection(written(tmp_path, "tls_server_config: {}\n"), clock)

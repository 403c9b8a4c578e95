"""One GET against real sockets on loopback: what goes over the wire, and what comes back of it."""

from __future__ import annotations

import base64
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import __version__
from exporter.client import Client, Credentials, Response, retry_after_seconds
from exporter.config import Account
from tests.raw_server import RawServer, answering, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NOW = 1_700_000_000.0
KEY = {"method": "header", "api_key": "key-1"}


def account(url: str = "http://127.0.0.1", auth: dict[str, str] = KEY, **settings: object) -> Account:
    return Account.model_validate({"name": "main", "base_url": url, "auth": auth, **settings})


@asynccontextmanager
async def client_of(url: str, auth: dict[str, str] = KEY, **settings: object) -> AsyncIterator[Client]:
    client = Client(account(url, auth, **settings))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def asked(server: RawServer, message_id: str = "m1", auth: dict[str, str] = KEY) -> AsyncIterator[object]:
    async with client_of(server.url, auth) as client:
        yield await client.get(message_id, NOW)


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"method": "header", "api_key": "key-1"}, "X-Authorization-Key: key-1"),
        ({"method": "basic", "username": "user", "password": "p:w"}, "Authorization: Basic dXNlcjpwOnc="),
        ({"method": "key_as_password", "api_key": "key-1"}, "Authorization: Basic QDprZXktMQ=="),
    ],
)
async def test_each_way_to_authenticate_is_byte_exact(auth: dict[str, str], header: str) -> None:
    async with serving(answering()) as server, asked(server, auth=auth):
        head = server.requests[0]
    assert head.split(b"\r\n").count(header.encode()) == 1
    assert head.lower().count(b"authorization") == 1


async def test_a_password_goes_as_utf_8() -> None:
    auth = {"method": "basic", "username": "юзер", "password": "пароль"}
    async with serving(answering()) as server, asked(server, auth=auth):
        assert server.headers("Authorization") == ["Basic " + base64.b64encode("юзер:пароль".encode()).decode()]


async def test_one_get_asks_for_one_message() -> None:
    async with serving(answering()) as server, asked(server, "abc:1.2_3-4"):
        assert [head.split(b"\r\n")[0] for head in server.requests] == [b"GET /bat/message/abc:1.2_3-4 HTTP/1.1"]
        assert server.headers("Host") == [f"127.0.0.1:{server.port}"]
        assert server.headers("User-Agent") == [f"smsbat-exporter/{__version__}"]
        assert server.headers("Accept") == ["application/json"]


@pytest.mark.parametrize("message_id", ["..", "a..", "a.", "-", "_", "1", "a" * 128, "a:b"])
async def test_the_id_arrives_as_it_is(message_id: str) -> None:
    async with serving(answering()) as server, asked(server, message_id):
        assert server.targets == [f"/bat/message/{message_id}"]


@pytest.mark.parametrize("path", ["/eu", "/eu/", "/a/b%20c"])
async def test_a_base_url_may_have_a_path(path: str) -> None:
    async with serving(answering()) as server, client_of(server.url + path) as client:
        await client.get("m1", NOW)
        assert server.targets == [path.rstrip("/") + "/bat/message/m1"]


@pytest.mark.parametrize("code", [200, 201, 204, 400, 401, 403, 404, 429, 500, 503, 599, 999])
async def test_every_code_is_told_as_it_came(code: int) -> None:
    body = b"" if code == 204 else b"<html>"
    async with serving(answering(code, body)) as server, asked(server) as answer:
        assert answer == Response(code, body, None)


async def test_retry_after_is_passed_on_as_it_came() -> None:
    async with serving(answering(429, headers="Retry-After: 17\r\n")) as server, asked(server) as answer:
        assert answer == Response(429, b"{}", "17")


async def test_many_calls_use_one_connection() -> None:
    async with serving(answering()) as server, client_of(server.url) as client:
        for _ in range(20):
            await client.get("m1", NOW)
        assert (server.connections, len(server.requests)) == (1, 20)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_nobody_else_is_asked(code: int) -> None:
    async with serving(answering()) as thief:
        location = f"Location: {thief.url}/bat/message/m1\r\n"
        async with serving(answering(code, headers=location)) as server, asked(server) as answer:
            assert answer == Response(code, b"{}", None)
            assert len(server.requests) == 1
        assert thief.connections == 0


async def test_cookies_are_not_kept() -> None:
    async with serving(answering(headers="Set-Cookie: id=1; Path=/\r\n")) as server:
        async with client_of(f"http://localhost:{server.port}") as client:
            await client.get("m1", NOW)
            await client.get("m1", NOW)
        assert [b"Cookie" in head for head in server.requests] == [False, False]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async with serving(answering(500)) as thief, serving(answering()) as server:
        monkeypatch.setenv(name, thief.url)
        async with asked(server) as answer:
            assert answer == Response(200, b"{}", None)
        assert thief.connections == 0


async def test_a_netrc_file_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login thief password thief\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with serving(answering()) as server, asked(server):
        assert server.headers("Authorization") == []


async def test_the_configured_proxy_is_used() -> None:
    async with serving(answering()) as proxy, client_of("http://127.0.0.1:1", proxy_url=proxy.url) as client:
        assert await client.get("m1", NOW) == Response(200, b"{}", None)
        assert proxy.targets == ["http://127.0.0.1:1/bat/message/m1"]


async def test_a_key_in_a_file_is_followed_within_a_second(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    auth = {"method": "header", "api_key_file": str(file)}
    async with serving(answering()) as server, client_of(server.url, auth) as client:
        await client.get("m1", NOW)
        file.write_text("newer\n")
        await client.get("m1", NOW + 1.0)
        assert server.headers("X-Authorization-Key") == ["newer"]


async def test_a_file_that_turned_bad_keeps_the_old_key_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old\n")
    auth = {"method": "header", "api_key_file": str(file)}
    async with serving(answering()) as server, client_of(server.url, auth) as client:
        file.write_text("")
        await client.get("m1", NOW + 1.0)
        assert server.headers("X-Authorization-Key") == ["old"]
        assert client.credentials.problem is not None


def test_the_file_is_looked_at_once_a_second_and_also_when_the_clock_was_set_back(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("a\n")
    credentials = Credentials(account(auth={"method": "header", "api_key_file": str(file)}))
    assert not credentials.look(NOW)
    file.write_text("bb\n")
    assert not credentials.look(NOW + 0.5)
    assert credentials.look(NOW - 3_600.0)
    assert credentials.headers == {"X-Authorization-Key": "bb"}
    file.write_text("ccc\n")
    assert credentials.look_again()
    assert not credentials.look_again()


def test_secrets_are_in_no_repr() -> None:
    client_account = account(auth={"method": "basic", "username": "user", "password": "hidden"})
    assert "hidden" not in repr(client_account) + repr(Credentials(client_account))


@pytest.fixture
def far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("17", 17.0),
        (" 17 ", 17.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("\u0661\u0667", None),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 22:14:20", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),
        ("Tue, 14 Nov 2023 22:14:20 -0000", 60.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 20:00:00 GMT", 0.0),
        ("Tue, 99 Nov 2023 20:00:00 GMT", None),
    ],
)
@pytest.mark.usefixtures("far_from_greenwich")
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,30}"))
def test_any_retry_after_is_a_number_of_seconds_or_none(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or seconds >= 0.0

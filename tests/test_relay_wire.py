"""A send through the relay on the wire: what SMSBat gets, what the caller gets, and that it is made once."""

from __future__ import annotations

import asyncio
import gzip
import logging
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from exporter import __version__
from exporter.intake import bodies
from exporter.intake.relay.paths import routes
from tests.lab import account
from tests.raw_server import response, saying, serving
from tests.relaying import KEY, Relaying, playing, relaying
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ASKED = b'{ "messages" :[{"to":"+380501234567","type":"sms","text":"\\u043f \xd1\x82","ttl":300}]}\n'
TOLD = b'{"messagelistId":1, "messages":[{"messageId":"m1","status":"accepted","to":"+380501234567"}] }'
ACCEPTED = response(200, TOLD, "Content-Type: application/json\r\n")
JSON = {"Content-Type": "application/json", **KEY}


async def post(it: Relaying, body: bytes = ASKED, headers: dict[str, str] = JSON) -> tuple[int, bytes]:
    answer = await it.call("POST", "/bat/messagelist", body, headers)
    return answer.status, answer.body


async def test_the_body_goes_out_byte_by_byte_and_so_does_the_answer_come_back() -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        assert await post(it) == (200, TOLD)
        assert api.bodies == [ASKED]
        assert api.raw.targets == ["/bat/messagelist"]
        assert it.shown("messages_accepted", channel="sms") == 1


async def test_smsbat_sees_no_other_headers_than_these() -> None:
    given = {
        **JSON,
        "Authorization": "Bearer other",
        "Accept": "application/json;q=0.5",
        "traceparent": TRACEPARENT,
        "baggage": "user=1",
        "Cookie": "session=1",
        "Forwarded": "for=10.0.0.1",
        "X-Forwarded-For": "10.0.0.1",
        "X-Smsbat-Labels": "campaign=spring",
        "X-Smsbat-Other": "1",
        "X-Exporter-Token": "token",
        "User-Agent": "shop/1",
        "Connection": "X-Own",
        "X-Own": "1",
    }
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        await post(it, headers=given)
        assert sorted(api.raw.requests[0].decode().split("\r\n")) == sorted(
            [
                "POST /bat/messagelist HTTP/1.1",
                f"Host: 127.0.0.1:{api.raw.port}",
                "Content-Type: application/json",
                "X-Authorization-Key: key",
                "Authorization: Bearer other",
                "Accept: application/json;q=0.5",
                f"traceparent: {TRACEPARENT}",
                f"User-Agent: smsbat-exporter/{__version__}",
                "Accept-Encoding: identity",
                f"Content-Length: {len(ASKED)}",
                "",
                "",
            ]
        )


async def test_what_the_caller_does_not_send_is_not_made_up() -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        await post(it, headers={"Content-Type": "application/json"})
        for name in ("Accept", "Content-Encoding", "X-Authorization-Key", "Authorization", "traceparent"):
            assert api.raw.headers(name) == []


async def test_a_compressed_send_stays_compressed_and_is_tracked() -> None:
    body = gzip.compress(ASKED)
    told = response(200, gzip.compress(TOLD), "Content-Encoding: gzip\r\nContent-Type: application/json\r\n")
    async with playing(told) as api, relaying(api.raw.url) as it:
        answer = await it.call("POST", "/bat/messagelist", body, {**JSON, "Content-Encoding": "gzip"})
        assert (api.bodies, api.raw.headers("Content-Encoding")) == ([body], ["gzip"])
        assert (answer.body, answer.headers["Content-Encoding"]) == (gzip.compress(TOLD), "gzip")
        columns, slot = it.lab.core.in_flight.columns, it.lab.slot("m1")
        assert (columns.ttl[slot], it.shown("messages_accepted", channel="sms")) == (300, 1)


async def test_a_send_in_chunks_goes_out_as_one() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield ASKED[:10]
        yield ASKED[10:]

    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        async with it.session.post(f"{it.url}/bat/messagelist", data=chunks(), headers=JSON) as answer:
            assert answer.status == 200
        assert api.bodies == [ASKED]
        assert api.raw.headers("Transfer-Encoding") == []


async def test_a_query_and_a_base_url_with_a_path_are_kept() -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url + "/eu/") as it:
        await it.call("POST", "/bat/messagelist?test=%D1%8F&x", ASKED, JSON)
        assert api.raw.targets == ["/eu/bat/messagelist?test=%D1%8F&x"]


@pytest.mark.parametrize("code", [200, 201, 301, 302, 307, 308, 400, 401, 403, 415, 422, 429, 500, 503, 504, 599, 999])
async def test_every_answer_comes_back_as_it_is_and_no_redirect_is_followed(code: int) -> None:
    async with playing(ACCEPTED) as thief:
        given = (
            "Content-Type: text/html; charset=koi8-u\r\nRetry-After: 17\r\nX-Request-Id: 1\r\nX-Request-Id: 2\r\n"
            f"Location: {thief.raw.url}/bat/messagelist\r\nSet-Cookie: a=b\r\n"
            "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\n"
        )
        async with playing(response(code, b"<h1>\xcf\xcb", given)) as api, relaying(api.raw.url) as it:
            answer = await it.call("POST", "/bat/messagelist", ASKED, JSON)
            assert (answer.status, answer.body) == (code, b"<h1>\xcf\xcb")
            assert answer.headers["Content-Type"] == "text/html; charset=koi8-u"
            assert answer.headers["Retry-After"] == "17"
            assert answer.headers["Location"].startswith(thief.raw.url)
            assert not {"Set-Cookie", "X-Hop"} & set(answer.headers)
            assert len(api.raw.requests) == 1
            assert it.shown("exporter_relay_requests", account="main", code=str(code)) == 1
        assert thief.raw.connections == 0


async def test_an_answer_without_a_body_comes_back_without_one() -> None:
    async with playing(b"HTTP/1.1 204 X\r\n\r\n") as api, relaying(api.raw.url) as it:
        assert await post(it) == (204, b"")


async def test_an_unreachable_smsbat_is_a_502_with_a_clear_body() -> None:
    async with relaying("http://127.0.0.1:1") as it:
        answer = await it.call("POST", "/bat/messagelist", ASKED, JSON)
        assert (answer.status, answer.headers["Content-Type"]) == (502, "application/json")
        assert answer.json == {"error": {"code": "unreachable", "message": "SMSBat cannot be reached"}}
        assert it.shown("exporter_relay_requests", account="main", code="502") == 1
        assert it.shown("exporter_relay_untracked") == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "no_answer"),
        (b"HTTP/1.1 200 X\r\nContent-Len", "no_answer"),
        (b"nonsense\r\n\r\n", "no_answer"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{", "answer_cut_off"),
        (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", "answer_cut_off"),
    ],
)
async def test_a_send_whose_answer_breaks_off_is_a_502_and_is_not_repeated(answer: bytes, code: str) -> None:
    async with serving(saying(answer)) as api, relaying(api.url) as it:
        assert (await it.call("POST", "/bat/messagelist", ASKED, JSON)).json["error"]["code"] == code
        assert len(api.requests) == 1


async def test_a_kept_connection_that_closes_under_a_send_costs_a_502_and_no_second_send() -> None:
    async with playing(ACCEPTED, b"", ACCEPTED) as api, relaying(api.raw.url) as it:
        assert (await post(it))[0] == 200
        assert (await post(it))[0] == 502
        assert (api.raw.connections, len(api.bodies)) == (1, 2)
        assert (await post(it))[0] == 200
        assert (api.raw.connections, len(api.bodies)) == (2, 3)


async def test_a_status_call_of_somebody_elses_is_not_repeated_either() -> None:
    async with playing(response(), b"", response()) as api, relaying(api.raw.url) as it:
        codes = [(await it.status("m1", {"X-Authorization-Key": "foreign"})).status for _ in range(3)]
        assert (codes, len(api.bodies)) == ([200, 502, 200], 3)


@pytest.mark.parametrize(("configured", "waited"), [("10s", 30), ("45s", 45)])
@in_virtual_time
async def test_a_send_may_take_its_time_and_is_not_waited_for_for_ever(configured: str, waited: int) -> None:
    async with serving(saying(then_close=False)) as api:
        own = account(base_url=api.url, request_timeout=configured)
        async with relaying(api.url, accounts=[own]) as it:
            began = asyncio.get_running_loop().time()
            answer = await it.call("POST", "/bat/messagelist", ASKED, JSON)
            assert 0 <= asyncio.get_running_loop().time() - began - waited < 5
            assert (answer.status, answer.json["error"]["code"]) == (502, "timeout")
            assert len(api.requests) == 1


async def test_an_answer_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.intake.relay.forwarding._LONGEST_ANSWER_BYTES", 10)
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        assert (await it.call("POST", "/bat/messagelist", ASKED, JSON)).json["error"]["code"] == "answer_too_large"


async def test_a_body_that_is_too_long_or_too_slow_is_refused_and_sent_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        monkeypatch.setattr("exporter.intake.relay.relay.LONGEST_BODY_BYTES", 10)
        assert (await it.call("POST", "/bat/messagelist", ASKED, JSON)).json["error"]["code"] == "too_large"
        monkeypatch.setattr(bodies, "_SLOWEST_SECONDS", 0.01)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(it.url.rpartition(":")[2]))
        writer.write(b"POST /bat/messagelist HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        assert b" 408 " in await reader.readline()
        writer.close()
        assert it.shown("exporter_relay_requests", account="other") == 2
        assert api.raw.connections == 0


@pytest.mark.parametrize(
    "given", [None, "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"]
)
async def test_what_a_browser_posts_without_asking_is_refused_and_sent_nowhere(given: str | None) -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        headers = KEY if given is None else {**KEY, "Content-Type": given}
        answer = await it.call("POST", "/bat/messagelist", ASKED, headers)
        assert (answer.status, answer.json["error"]["code"]) == (415, "content_type")
        assert api.raw.connections == 0


@pytest.mark.parametrize("given", ["application/json; charset=utf-8", "APPLICATION/JSON"])
async def test_json_however_it_is_written_goes_out_as_it_came(given: str) -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        assert (await post(it, headers={**KEY, "Content-Type": given}))[0] == 200
        assert api.raw.headers("Content-Type") == [given]


async def test_a_caller_that_leaves_in_its_body_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        _, writer = await asyncio.open_connection("127.0.0.1", int(it.url.rpartition(":")[2]))
        writer.write(b"POST /bat/messagelist HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: 100\r\n\r\n{")
        await writer.drain()
        assert (await post(it))[0] == 200
        writer.close()
        await writer.wait_closed()
        assert (await post(it))[0] == 200
        assert len(api.bodies) == 2
    assert not caplog.records


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"1\r\nabc\r\n"])
async def test_a_body_in_broken_chunks_is_refused_and_sent_nowhere(
    chunks: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_SLOWEST_SECONDS", 0.05)
    async with playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(it.url.rpartition(":")[2]))
        writer.write(b"POST /bat/messagelist HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n")
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
        await writer.drain()
        writer.write(chunks)
        assert (await reader.readline()).split()[1] in {b"400", b"408"}
        writer.close()
        assert api.raw.connections == 0


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(response(500)) as thief, playing(ACCEPTED) as api, relaying(api.raw.url) as it:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, thief.raw.url)
        assert (await post(it))[0] == 200
        assert thief.raw.connections == 0


async def test_the_accounts_proxy_is_used() -> None:
    async with playing(ACCEPTED) as proxy:
        own = account(base_url="http://127.0.0.1:1", proxy_url=proxy.raw.url)
        async with relaying("", accounts=[own]) as it:
            assert (await post(it))[0] == 200
            assert proxy.raw.targets == ["http://127.0.0.1:1/bat/messagelist"]


async def test_cookies_are_not_kept() -> None:
    async with playing(response(200, TOLD, "Set-Cookie: id=1; Path=/\r\n")) as api:
        async with relaying(f"http://localhost:{api.raw.port}") as it:
            await post(it)
            await post(it)
        assert api.raw.headers("Cookie") == []


async def test_nothing_of_a_send_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = {**JSON, "Authorization": "Bearer secret-token", "X-Smsbat-Labels": "who=secret-label"}
    async with playing(ACCEPTED, b"", response(200, b"secret-answer")) as api, relaying(api.raw.url) as it:
        for _ in range(3):
            await post(it, headers=headers)
        await it.status("m1", {"X-Authorization-Key": "secret-key"})
        assert it.shown("exporter_relay_untracked") == 2
    text = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "not tracked" in text
    assert not [word for word in ("secret", "380501234567", 'messages"') if word in text]


async def test_nothing_is_sent_while_the_exporter_starts() -> None:
    app = web.Application()
    app.add_routes(routes(lambda: None))
    async with TestClient(TestServer(app)) as client:
        for answer in (await client.post("/bat/messagelist", data=ASKED), await client.get("/a/main/bat/message/m1")):
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json())["error"]["code"] == "starting"

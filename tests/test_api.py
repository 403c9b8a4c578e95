"""The API listener: messages come in by every shape of a body, and whoever asks is told what is stored."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

from exporter.api.guards import token_of
from exporter.api.listener import start
from exporter.api.messages import Backend
from exporter.config import SecretError
from exporter.config.model import Api
from exporter.knowledge import Knowledge
from exporter.web.addresses import parse
from exporter.web.server import ListenError
from tests.lab import Lab, account, config
from tests.virtual_time import START, in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

JSON = {"Content-Type": "application/json"}
TWO = [account("main"), account("other")]


class Caller:
    """An application beside the exporter."""

    def __init__(self, lab: Lab, session: aiohttp.ClientSession, url: str) -> None:
        self.lab = lab
        self.url = url
        self._session = session

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.request(
            method, URL(self.url + path, encoded=True), data=data, headers=JSON | named
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def headers(self, path: str) -> Mapping[str, str]:
        async with self._session.get(self.url + path) as answer:
            return answer.headers

    async def post(self, body: object, **headers: str) -> tuple[int, Any]:
        return await self.call("POST", "/api/v1/messages", body, **headers)

    async def get(self, path: str = "", **headers: str) -> tuple[int, Any]:
        return await self.call("GET", f"/api/v1/messages{path}", **headers)

    async def refused(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, str]:
        status, answer = await self.call(method, f"/api/v1/messages{path}", body, **headers)
        assert set(answer) == {"error"}
        assert answer["error"]["message"]
        return status, answer["error"]["code"]


def backend(lab: Lab) -> Backend:
    core = lab.core
    return Backend(
        accounts=core.account_names,
        admission=core.admission,
        tracker=core.tracker,
        committer=core.committer,
        knowledge=Knowledge(core.tracker, core.writer, core.account_names),
    )


@asynccontextmanager
async def calling(path: Path | None = None, api: Api | None = None, **given: Any) -> AsyncIterator[Caller]:  # noqa: ANN401
    async with Lab(path, **given) as lab:
        now = lab.core.config if api is None else lab.core.config.model_copy(update={"api": api})
        server = await start(lambda: backend(lab), lambda: now, parse("127.0.0.1:0"))
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Caller(lab, session, server.url)
        await server.close()


@pytest.mark.parametrize(
    "body",
    [
        {"messageId": "m1", "channel": "sms"},
        [{"messageId": "m1", "channel": "sms", "unknown": [1]}],
        {"messages": [{"messageId": "m1", "channel": "sms"}]},
        {"messagelistId": 123456, "messages": [{"messageId": "m1", "status": "accepted", "parts": 1, "to": "+380"}]},
    ],
)
async def test_messages_come_in_each_of_the_four_shapes(body: object) -> None:
    async with calling() as it:
        assert await it.post(body) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
        assert it.lab.core.in_flight.find("main", "m1") is not None


async def test_all_that_a_message_says_is_kept() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"messageId": "m1", "account": "other", "channel": "viber_otp", "sentAt": "2027-01-15T07:59:00+00:00"}
    async with calling(accounts=TWO, labels={"campaign": {}}) as it:
        await it.post(body | {"ttl": 90, "labels": {"campaign": "spring", "team": "red"}, "traceparent": parent})
        await it.post([{"messageId": "m2"}], traceparent=parent)
        core = it.lab.core
        message = core.in_flight.get(it.lab.slot("m1", "other"))
        assert (message.channel, message.sent_at, message.ttl, message.traceparent) == (
            "viber_otp",
            START - 60,
            90.0,
            parent,
        )
        assert message.labels == (("campaign", "spring"),)
        assert core.in_flight.get(it.lab.slot("m2")).traceparent == parent
        assert (await it.get("/m1"))[1]["traceId"] == parent.split("-")[1]


async def test_no_answer_names_a_version_or_lets_its_type_be_guessed() -> None:
    async with calling() as it:
        for path in ("/api/v1/messages/m1", "/api/v1/openapi.json", "/nothing"):
            headers = await it.headers(path)
            assert (headers["Server"], headers["X-Content-Type-Options"]) == ("smsbat-exporter", "nosniff")


async def test_what_smsbat_did_not_accept_is_told_and_counted_and_not_tracked() -> None:
    entries = [
        {"messageId": "m1", "status": "Accepted"},
        {"messageId": "m2", "status": "rejected"},
        {"status": "failed"},
    ]
    async with calling() as it:
        status, answer = await it.post({"messages": entries})
        assert (status, answer["accepted"]) == (202, 1)
        assert [(each["index"], each["messageId"]) for each in answer["rejected"]] == [(1, "m2"), (2, None)]
        assert (await it.post({"messages": entries[1:]}))[0] == 202, "a send that failed is no mistake of the caller"
        assert it.lab.shown("exporter_intake", source="api", result="rejected") == 4
        assert it.lab.shown("exporter_intake", source="api", result="accepted") == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"messageId": "a/b"},
        {"messageId": "%2e%2e"},
        {"messageId": ".."},
        {"messageId": "a b"},
        {"messageId": "x" * 10_000},
        {"messageId": 5},
        {"messageId": None},
        {},
        7,
        "m1",
        {"messageId": "m1", "account": "nobody"},
        {"messageId": "m1", "ttl": -1},
        {"messageId": "m1", "ttl": "60"},
        {"messageId": "m1", "sentAt": "1970-01-01T00:00:00Z"},
        {"messageId": "m1", "sentAt": "2100-01-01T00:00:00Z"},
        {"messageId": "m1", "sentAt": "2027-01-15T08:00:00"},
        {"messageId": "m1", "sentAt": "9999-12-31T23:59:59-23:59"},
        {"messageId": "m1", "labels": {"campaign": 5}},
        {"messageId": "m1", "labels": ["spring"]},
    ],
)
async def test_a_bad_message_is_named_with_its_place_and_the_rest_is_taken(bad: object) -> None:
    async with calling() as it:
        status, answer = await it.post([{"messageId": "good"}, bad])
        assert (status, answer["accepted"], len(answer["rejected"])) == (202, 1, 1)
        rejection = answer["rejected"][0]
        assert rejection["index"] == 1
        assert 0 < len(rejection["error"]) < 300
        assert len(rejection["messageId"] or "") <= 200
        assert it.lab.shown("exporter_intake", source="api", result="rejected") == 1
        assert await it.refused("POST", "", [bad]) == (400, "messages")


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xff\xfe", b'{"messages": 5}', b"5", b"[" * 100_000])
async def test_a_body_that_is_no_json_of_ours_is_refused_as_a_whole(body: bytes) -> None:
    async with calling() as it:
        assert await it.refused("POST", "", body) == (400, "body")


async def test_labels_that_are_not_configured_are_ignored_and_counted() -> None:
    async with calling() as it:
        assert (await it.post({"messageId": "m1", "labels": {"who": "x"}}))[0] == 202
        assert it.lab.shown("exporter_labels_ignored") == 1


async def test_a_message_is_acknowledged_only_once_it_is_stored() -> None:
    async with calling() as it:
        it.lab.store.open.clear()
        posting = asyncio.create_task(it.post({"messageId": "m1"}))
        await it.lab.until(lambda: it.lab.core.in_flight.find("main", "m1") is not None, 0.01)
        assert not posting.done()
        it.lab.store.open.set()
        assert (await posting)[0] == 202


async def test_duplicates_are_told_apart_also_within_a_request() -> None:
    async with calling() as it:
        await it.post({"messageId": "m1"})
        _, answer = await it.post([{"messageId": name} for name in ("m1", "m2", "m2")])
        assert answer == {"accepted": 1, "duplicates": 2, "rejected": []}


async def test_five_thousand_messages_in_one_request_are_normal() -> None:
    async with calling() as it:
        _, answer = await it.post([{"messageId": f"m{number}", "channel": "sms"} for number in range(5_000)])
        assert answer == {"accepted": 5_000, "duplicates": 0, "rejected": []}


async def test_nothing_is_taken_when_not_all_fits() -> None:
    async with calling(intake={"max_in_flight": 2}) as it:
        assert await it.refused("POST", "", [{"messageId": f"m{n}"} for n in range(3)]) == (429, "full")
        assert len(it.lab.core.in_flight) == 0


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_over_8_mib_is_refused_also_when_it_is_compressed(packed: bool) -> None:  # noqa: FBT001
    body = b'[{"messageId": "m1"}' + b" " * (9 << 20) + b"]"
    async with calling() as it:
        if packed:
            assert await it.refused("POST", "", gzip.compress(body), Content_Encoding="gzip") == (413, "too_large")
        else:
            assert await it.refused("POST", "", body) == (413, "too_large")
        small = gzip.compress(b'{"messageId": "m1"}')
        assert (await it.post(small, Content_Encoding="gzip"))[0] == 202


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ({"Origin": "https://evil.example"}, (403, "origin")),
        ({"Origin": "null"}, (403, "origin")),
        ({"Host": "evil.example"}, (421, "host")),
        ({"Host": "evil.example:10768"}, (421, "host")),
        ({"Host": "192.0.2.1"}, (421, "host")),
        ({"Content_Type": "text/plain"}, (415, "content_type")),
        ({"Content_Type": "application/x-www-form-urlencoded"}, (415, "content_type")),
    ],
)
async def test_a_page_of_another_origin_or_host_gets_nowhere(headers: dict[str, str], refusal: tuple[int, str]) -> None:
    async with calling() as it:
        assert await it.refused("POST", "", {"messageId": "m1"}, **headers) == refusal
        assert len(it.lab.core.in_flight) == 0


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:99", "[::1]:99", "app.internal", "app.internal:8"]
)
async def test_its_own_names_and_the_allowed_ones_are_served(host: str) -> None:
    async with calling(api=Api(allowed_hosts=("App.Internal",))) as it:
        assert (await it.get(Host=host))[0] == 200


async def test_a_token_is_asked_for_where_one_is_configured_and_followed_when_its_file_changes(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    async with calling(api=Api.model_validate({"token_file": str(token)})) as it:
        assert await it.refused("GET", "") == (401, "token")
        assert await it.refused("GET", "", X_Exporter_Token="second") == (401, "token")
        assert (await it.get(X_Exporter_Token="first"))[0] == 200
        token.write_text("second!\n")
        assert (await it.get(X_Exporter_Token="second!"))[0] == 200
        assert await it.refused("GET", "", X_Exporter_Token="first") == (401, "token")


@pytest.mark.parametrize("address", ["0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"])
async def test_it_does_not_start_where_others_reach_it_without_a_token(address: str) -> None:
    with pytest.raises(ListenError, match=r"--api\.listen-address.*api\.token_file"):
        await start(lambda: None, config, parse(address))


async def test_while_the_exporter_starts_it_says_so() -> None:
    server = await start(lambda: None, config, parse("127.0.0.1:0"))
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/api/v1/messages") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "loading")
    await server.close()


async def test_its_description_follows_the_configuration() -> None:
    now = [config()]
    server = await start(lambda: None, lambda: now[0], parse("127.0.0.1:0"))
    described = []
    async with aiohttp.ClientSession() as session:
        for reloaded in (config(), config(relay={})):
            now[0] = reloaded
            async with session.get(f"{server.url}/api/v1/openapi.json") as answer:
                assert (answer.status, answer.content_type) == (200, "application/json")
                described.append("/bat/messagelist" in (await answer.json())["paths"])
    assert described == [False, True]
    await server.close()


async def test_a_failing_store_is_a_503_and_nothing_is_taken() -> None:
    async with calling() as it:
        it.lab.store.fails_reading = True
        assert await it.refused("POST", "", {"messageId": "m1"}) == (503, "store")
        assert len(it.lab.core.in_flight) == 0


@in_virtual_time
async def test_a_slow_body_is_cut_off() -> None:
    async with calling() as it:
        began = asyncio.get_running_loop().time()
        host, port = it.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = "POST /api/v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n[".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        assert (await reader.read()).endswith(b"}")
        assert 10 <= asyncio.get_running_loop().time() - began < 13
        writer.close()


async def test_what_is_known_of_a_message_grows_until_it_ends() -> None:
    async with calling(accounts=[account("main", currency="UAH")]) as it:
        await it.post({"messageId": "m1", "channel": "viber_otp"})
        status, first = await it.get("/m1")
        assert status == 200
        assert (first["status"], first["final"], first["outcome"], first["finishedAt"]) == (
            "accepted",
            False,
            None,
            None,
        )
        it.lab.advance(3)
        it.lab.answer("m1", "processing")
        it.lab.advance(3)
        ways = {"viber": "undeliverable", "sms": "delivered"}
        it.lab.answer("m1", "delivered", cost="0.10", partscount=2, rate=0.05, extendedStatuses=ways)
        await it.lab.settle()
        _, last = await it.get("/m1")
        assert last["timeToDelivery"] == {"lowerBound": 3.0, "upperBound": 6.0}
        expected = {
            "messageId": "m1",
            "account": "main",
            "channel": "viber_otp",
            "status": "delivered",
            "final": True,
            "outcome": "delivered",
            "sentAt": "2027-01-15T08:00:00.000Z",
            "acceptedAt": "2027-01-15T08:00:00.000Z",
            "finishedAt": "2027-01-15T08:00:06.000Z",
            "polls": 2,
            "partsCount": 2,
            "cost": 0.1,
            "currency": "UAH",
            "rate": 0.05,
            "fallbackUsed": True,
            "via": "sms",
            "traceId": None,
        }
        assert {name: value for name, value in last.items() if name != "timeToDelivery"} == expected


async def test_an_end_shows_only_once_it_is_stored() -> None:
    async with calling() as it:
        await it.post({"messageId": "m1"})
        it.lab.store.open.clear()
        it.lab.answer("m1", "delivered")
        asking = asyncio.create_task(it.get("/m1"))
        await it.lab.until(lambda: len(it.lab.core.tracker.waiters) == 1, 0.01)
        it.lab.store.open.set()
        assert (await asking)[1]["outcome"] == "delivered"


async def test_a_waiter_is_woken_by_the_commit_and_others_are_not() -> None:
    async with calling() as it:
        await it.post([{"messageId": name} for name in ("m1", "m2")])
        waiting = [asyncio.create_task(it.get(f"/{name}?wait=60s")) for name in ("m1", "m1", "m2")]
        await it.lab.until(lambda: len(it.lab.core.tracker.waiters) == 3, 0.01)
        it.lab.answer("m1", "undeliverable")
        for task in waiting[:2]:
            assert (await task)[1]["outcome"] == "undeliverable"
        assert not waiting[2].done()
        waiting[2].cancel()


@in_virtual_time
async def test_a_wait_that_is_over_says_that_the_message_is_not_final() -> None:
    async with calling() as it:
        await it.post({"messageId": "m1"})
        status, answer = await it.get("/m1?wait=30s")
        assert (status, answer["final"]) == (200, False)
        assert len(it.lab.core.tracker.waiters) == 0


@pytest.mark.parametrize("wait", ["61s", "soon", "", "-1s", "1h"])
async def test_a_wait_has_its_limits(wait: str) -> None:
    async with calling() as it:
        await it.post({"messageId": "m1"})
        assert await it.refused("GET", f"/m1?wait={wait}") == (400, "wait")


async def test_in_flight_messages_are_listed_page_by_page() -> None:
    async with calling() as it:
        await it.post([{"messageId": f"m{n}", "channel": ("sms", "rcs")[n % 2]} for n in range(5)])
        it.lab.answer("m2", "processing")
        it.lab.answer("m3", "delivered")
        await it.lab.settle()
        _, first = await it.get("?limit=2")
        _, second = await it.get(f"?limit=2&cursor={first['next']}")
        names = [[each["messageId"] for each in page["messages"]] for page in (first, second)]
        assert names == [["m0", "m1"], ["m2", "m4"]]
        assert second["next"] is None
        assert [each["messageId"] for each in (await it.get("?channel=rcs"))[1]["messages"]] == ["m1"]
        assert [each["messageId"] for each in (await it.get("?status=processing"))[1]["messages"]] == ["m2"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "cursor=-1", "cursor=%C2%B2", "status=delivered"]
)
async def test_a_page_that_cannot_be_is_refused(query: str) -> None:
    async with calling() as it:
        assert (await it.refused("GET", f"?{query}"))[0] == 400


async def test_a_message_whose_tracking_is_stopped_counts_as_abandoned() -> None:
    async with calling() as it:
        await it.post({"messageId": "m1", "channel": "sms"})
        waiting = asyncio.create_task(it.get("/m1?wait=60s"))
        await it.lab.until(lambda: len(it.lab.core.tracker.waiters) == 1, 0.01)
        assert await it.call("DELETE", "/api/v1/messages/m1") == (204, None)
        assert it.lab.shown("messages_abandoned", channel="sms") == 1
        assert (await waiting)[1]["outcome"] == "abandoned"
        assert await it.refused("DELETE", "/m1") == (409, "ended")
        assert await it.refused("DELETE", "/m2") == (404, "unknown")


async def test_an_id_in_two_accounts_needs_the_account() -> None:
    async with calling(accounts=TWO) as it:
        await it.post([{"messageId": "m1"}, {"messageId": "m1", "account": "other"}])
        assert await it.refused("GET", "/m1") == (409, "ambiguous")
        assert (await it.get("/m1?account=other"))[1]["account"] == "other"
        assert await it.refused("GET", "/m1?account=third") == (404, "account")


@pytest.mark.parametrize("path", ["/%2e%2e", "/a%2Fb", "/a%20b", "/" + "x" * 129, "/" + "x" * 10_000])
async def test_an_id_that_can_be_none_is_refused(path: str) -> None:
    async with calling() as it:
        assert await it.refused("GET", path) == (400, "message_id")


async def test_unknown_paths_and_methods_are_errors_of_the_same_shape() -> None:
    async with calling() as it:
        assert (await it.call("GET", "/api/v2"))[0] == 404
        assert (await it.call("PUT", "/api/v1/messages"))[0] == 405


def test_a_token_that_cannot_be_read_is_told_before_anything_follows_it(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    api = Api.model_validate({"token_file": str(token)})
    token.unlink()
    with pytest.raises(SecretError, match="cannot be read"):
        token_of(api)

"""What strangers and broken programs send to the API listener of a real process: each a clear error, in JSON."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.configs import KEY, account, config
from tests.integration.process import PATIENCE_SECONDS, Exporter, serving, write_config
from tests.integration.simulated import simulated

PHONE: Final = "380671234567"
LONG: Final = PHONE * 850
"""An id of 10 KB."""
HUGE: Final = b'[{"messageId": "huge"}' + b" " * (9 << 20) + b"]"
PACKED: Final = gzip.compress(HUGE)
LISTENER: Final = "Host: localhost"
JSON: Final = "Content-Type: application/json"
CALLER: Final = f"X-Authorization-Key: {KEY}"
TRACK: Final = "POST /api/v1/messages"
SEND: Final = "POST /bat/messagelist"


class Wire:
    """The API listener, spoken to byte by byte."""

    def __init__(self, exporter: Exporter, url: str) -> None:
        self.exporter = exporter
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._address = host, int(port)

    async def say(self, line: str, body: bytes = b"", *headers: str, length: int | None = None) -> tuple[int, Any]:
        """Send one request, whose body may be shorter than it says; return status and JSON once it is closed."""
        reader, writer = await asyncio.open_connection(*self._address)
        told = [f"{line} HTTP/1.1", "Connection: close", f"Content-Length: {len(body) if length is None else length}"]
        writer.write("\r\n".join([*told, *headers, "", ""]).encode("latin-1"))
        writer.write(body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert b"content-type: application/json" in head.lower(), head
        assert PHONE.encode() * 17 not in answer, "what is told back is cut to 200 characters"
        return int(head.split()[1]), json.loads(answer)

    async def refused(self, line: str, body: bytes = b"", *headers: str, length: int | None = None) -> tuple[int, str]:
        """Send one request; return status and the error's code."""
        status, answer = await self.say(line, body, *(headers or (LISTENER, JSON)), length=length)
        assert set(answer) == {"error"}, answer
        assert answer["error"]["message"]
        return status, answer["error"]["code"]

    async def taken(self, *messages: object) -> tuple[int, list[int]]:
        """Hand in messages; return how many were taken, and the places of the others."""
        status, answer = await self.say(TRACK, json.dumps(messages).encode(), LISTENER, JSON)
        assert status == 202, answer
        return answer["accepted"], [each["index"] for each in answer["rejected"]]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """Run an exporter with a relay; whatever it is sent, it logs nothing of it and ends well."""
    async with simulated() as simulator:
        settings: dict[str, Any] = {"relay": {}, "labels": {"campaign": {}}}
        write_config(tmp_path, config([account(simulator.url)], **settings))
        async with serving(tmp_path, "--log.level=debug") as exporter:
            await exporter.ready()
            yield Wire(exporter, await exporter.api_url())
            assert await exporter.stop() == 0
    assert not [word for word in (PHONE, KEY, "Traceback") if word in exporter.log]
    assert max(map(len, exporter.lines)) < 500


async def test_bad_bodies_are_refused_as_a_whole(wire: Wire) -> None:
    for body in (b"", b"{", b"nonsense", b"\xff\xfe", b"5", b'{"messages": 5}', b"[" * 100_000):
        assert await wire.refused(TRACK, body) == (400, "body")
    for headers in (["Content-Encoding: gzip"], ["Content-Encoding: br"]):
        assert await wire.refused(TRACK, b"[]", LISTENER, JSON, *headers) == (400, "body")


async def test_bad_messages_are_named_and_the_rest_is_taken(wire: Wire) -> None:
    ids = ["a/b", "%2e%2e", "..", "a b", LONG, "", 5, None]
    bad: list[Any] = [{"messageId": each} for each in ids]
    bad += [{"messageId": "m", "account": "nobody"}, {"messageId": "m", "ttl": -1}, {"messageId": "m", "ttl": "60"}]
    bad += [{"messageId": "m", "sentAt": f"{year}-01-01T00:00:00Z"} for year in (1970, 2100)]
    bad += [{"messageId": "m", "labels": ["spring"]}, 7, "m", {}]
    assert await wire.taken({"messageId": "good"}, *bad, {"messageId": "too"}) == (2, [*range(1, 1 + len(bad))])
    for each in bad:
        assert await wire.refused(TRACK, json.dumps(each).encode()) in {(400, "messages"), (400, "body")}
    scrape = await wire.exporter.scrape()
    assert scrape.sum("smsbat_messages_accepted_total") == 2
    counted = scrape.sum("smsbat_exporter_intake_total", source="api", result="rejected")
    assert counted == len(bad) + len([each for each in bad if isinstance(each, dict)])


async def test_labels_that_are_not_configured_are_ignored_and_counted(wire: Wire) -> None:
    assert await wire.taken({"messageId": "m1", "labels": {"who": PHONE, "campaign": "spring"}}) == (1, [])
    scrape = await wire.exporter.scrape()
    assert scrape.sum("smsbat_exporter_labels_ignored_total") == 1
    assert scrape.sum("smsbat_messages_accepted_total", campaign="spring") == 1


async def test_ids_that_can_be_none_are_refused_in_paths(wire: Wire) -> None:
    for given in ("%2e%2e", "..", "a%2Fb", "a%20b", "%00", "%ff", LONG):
        for method in ("GET", "DELETE"):
            assert await wire.refused(f"{method} /api/v1/messages/{given}") == (400, "message_id")
        relayed = await wire.refused(f"GET /bat/message/{given}", b"", LISTENER, CALLER)
        assert relayed == (400, "bad_message_id")
    assert await wire.refused("GET /bat/message/a/b", b"", LISTENER, CALLER) == (400, "bad_message_id")
    assert await wire.refused("GET /api/v1/messages/a/b") == (404, "not_found")


async def test_bodies_of_9_mib_are_refused_also_compressed(wire: Wire) -> None:
    assert len(PACKED) < 10_000
    assert await wire.refused(TRACK, HUGE) == (413, "too_large")
    assert await wire.refused(TRACK, PACKED, LISTENER, JSON, "Content-Encoding: gzip") == (413, "too_large")
    assert await wire.refused(SEND, HUGE + HUGE, LISTENER, JSON, CALLER) == (413, "too_large")


async def test_slow_bodies_are_closed_and_nobody_else_waits_for_them(wire: Wire) -> None:
    slow = [asyncio.create_task(wire.refused(line, b"[", length=100)) for line in (TRACK, SEND) for _ in range(20)]
    for number in range(20):
        assert await wire.taken({"messageId": f"m{number}"}) == (1, [])
    assert not [each for each in slow if each.done()]
    assert set(await asyncio.gather(*slow)) == {(408, "slow"), (408, "too_slow")}


async def test_pages_of_browsers_and_foreign_hosts_get_nowhere(wire: Wire) -> None:
    good = b'{"messageId": "m1"}'
    for line in (TRACK, SEND):
        plain = "Content-Type: text/plain"
        assert await wire.refused(line, good, LISTENER, plain) == (415, "content_type")
        assert await wire.refused(line, good, LISTENER, plain, "Origin: https://evil.example") == (403, "origin")
        assert await wire.refused(line, good, LISTENER, JSON, "Origin: null") == (403, "origin")
        for host in ("evil.example", "evil.example:10768", "192.0.2.1", "localhost.evil.example", ""):
            assert await wire.refused(line, good, f"Host: {host}", JSON) == (421, "host")
    assert (await wire.exporter.scrape()).sum("smsbat_messages_accepted_total") == 0

"""The webhook listener on the wire: who may call, what it takes, and when it is open."""

from __future__ import annotations

import gzip
import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from exporter.config import SecretError
from exporter.web.addresses import parse
from exporter.web.server import ListenError
from exporter.webhook.listener import Tokens, Webhooks
from exporter.webhook.receiver import Receiver
from tests.lab import Lab, account, config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

TOKEN = "s3cret-token"
ACCOUNTS = [account(webhook_token=TOKEN), account("other", webhook_token="others"), account("quiet")]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DELIVERED = {"messageId": "m1", "deliverystatus": "delivered"}


class Hooked:
    """A lab whose webhook listener is open."""

    def __init__(self, lab: Lab, webhooks: Webhooks, session: aiohttp.ClientSession) -> None:
        self.lab, self.webhooks, self.session = lab, webhooks, session

    async def post(
        self, path: str = "/webhook/main", body: object = DELIVERED, headers: Mapping[str, str] = BEARER
    ) -> tuple[int, str]:
        """Send a webhook; returns the status and the code of the error."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.post(f"{self.webhooks.url}{path}", data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text)["error"]["code"] if text else ""

    def results(self) -> dict[tuple[str, str], float]:
        shown = [(labels, value) for name, labels, value in self.lab.samples() if name.endswith("webhooks_total")]
        return {(labels["account"], labels["result"]): value for labels, value in shown if value}


@asynccontextmanager
async def hooked(**given: Any) -> AsyncIterator[Hooked]:  # noqa: ANN401
    async with Lab(**{"accounts": ACCOUNTS, **given}) as lab, aiohttp.ClientSession() as session:
        receiver = Receiver(lab.core)
        webhooks = Webhooks(lambda: receiver, parse("127.0.0.1:0"))
        tokens = Tokens(lab.core.config)
        await webhooks.open(tokens)
        await webhooks.follow(tokens, lab.core.config)
        try:
            yield Hooked(lab, webhooks, session)
        finally:
            await webhooks.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/webhook/main", {"Authorization": f"Bearer {TOKEN}"}),
        ("/webhook/main", {"Authorization": f"bearer  {TOKEN}"}),
        ("/webhook/main", {"X-Webhook-Token": TOKEN}),
        (f"/webhook/main/{TOKEN}", {}),
        (f"/webhook/main/{TOKEN}", {"Authorization": "Bearer wrong"}),
    ],
)
async def test_the_token_may_stand_in_either_header_or_at_the_end_of_the_path(
    path: str, headers: dict[str, str]
) -> None:
    async with hooked() as it:
        await it.lab.offer("m1", channel="sms")
        assert await it.post(path, headers=headers) == (204, "")
        it.lab.answer("m1", "delivered")
        await it.lab.settle()
        assert it.results() == {("main", "applied"): 1}


@pytest.mark.parametrize(
    ("path", "headers", "counted"),
    [
        ("/webhook/main", {}, "main"),
        ("/webhook/main", {"Authorization": "Bearer "}, "main"),
        ("/webhook/main", {"Authorization": f"Basic {TOKEN}"}, "main"),
        ("/webhook/main", {"X-Webhook-Token": "others"}, "main"),
        ("/webhook/main", {"X-Webhook-Token": TOKEN + "x"}, "main"),
        ("/webhook/main/" + TOKEN[:-1], {}, "main"),
        ("/webhook/quiet", BEARER, "quiet"),
        ("/webhook/quiet", {"X-Webhook-Token": ""}, "quiet"),
        ("/webhook/%D0%B6", {"X-Webhook-Token": "\u0436"}, "other"),
        ("/webhook/nobody", BEARER, "other"),
    ],
)
async def test_without_the_accounts_own_token_nothing_is_taken(
    path: str, headers: dict[str, str], counted: str
) -> None:
    async with hooked() as it:
        await it.lab.offer("m1", channel="sms")
        assert await it.post(path, headers=headers) == (401, "token")
        assert it.results() == {(counted, "unauthorized"): 1}


async def test_each_account_has_its_own_messages_and_its_own_token() -> None:
    async with hooked() as it:
        await it.lab.offer("m1", channel="sms")
        assert await it.post("/webhook/other", headers={"X-Webhook-Token": "others"}) == (404, "unknown")
        assert it.results() == {("other", "unknown_message"): 1}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"", 400, "body", id="nothing"),
        pytest.param(b"{", 400, "body", id="half of it"),
        pytest.param(b"[]", 400, "body", id="a list"),
        pytest.param(b'{"messageId": "\xff"}', 400, "body", id="no UTF-8"),
        pytest.param(b"[" * 50_000, 400, "body", id="nested"),
        pytest.param({"messageId": "m1"}, 400, "body", id="no status"),
        pytest.param({"deliverystatus": "delivered"}, 400, "body", id="no id"),
        pytest.param({**DELIVERED, "deliverystatus": 1}, 400, "body", id="a number for a status"),
        pytest.param({**DELIVERED, "cost": "free"}, 400, "body", id="a word for a cost"),
        pytest.param({**DELIVERED, "messageId": "a/b"}, 400, "message_id", id="a slash"),
        pytest.param({**DELIVERED, "messageId": "a" * 10_000}, 400, "message_id", id="an id of 10 KB"),
        pytest.param(b'{"messageId": ' + b"9" * 5_000 + b', "deliverystatus": "x"}', 400, "body", id="a huge number"),
        pytest.param({**DELIVERED, "more": "x" * 65_536}, 413, "too_large", id="over 64 KiB"),
    ],
)
async def test_what_is_no_webhook_is_refused_in_words_and_counted(body: object, status: int, code: str) -> None:
    async with hooked() as it:
        assert await it.post(body=body) == (status, code)
        assert it.results() == {("main", "rejected"): 1}


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused() -> None:
    async with hooked() as it:
        headers = {**BEARER, "Content-Encoding": "gzip"}
        assert await it.post(body=gzip.compress(b" " * 100_000), headers=headers) == (413, "too_large")
        assert await it.post(body=gzip.compress(json.dumps(DELIVERED).encode()), headers=headers) == (404, "unknown")


@pytest.mark.parametrize(
    "more",
    [
        {"timestamp": 1_700_000_000},
        {"timestamp": "yesterday"},
        {"timestamp": None},
        {"cost": "0.05"},
        {"cost": -1},
        {"cost": "NaN"},
        {"messageId": 5},
        {"extra": {"to": "+380501234567"}},
    ],
)
async def test_what_is_odd_but_understood_is_taken(more: dict[str, object]) -> None:
    async with hooked() as it:
        await it.lab.offer("m1", "5", channel="sms")
        assert await it.post(body={**DELIVERED, **more}) == (204, "")


async def test_other_paths_and_methods_are_errors_of_the_same_shape() -> None:
    async with hooked() as it:
        assert await it.post("/") == (404, "not_found")
        assert await it.post("/webhook") == (404, "not_found")
        async with it.session.get(f"{it.webhooks.url}/webhook/main/{TOKEN}") as response:
            assert response.status == 405
            assert TOKEN not in await response.text()


async def test_neither_token_nor_text_reaches_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with hooked() as it:
        await it.lab.offer("m1", channel="sms")
        await it.post(f"/webhook/main/{TOKEN}", headers={})
        await it.post(f"/webhook/main/{TOKEN}x", headers={})
        await it.post(f"/webhook/main/{TOKEN}", body=b'{"text": "hello"}', headers={})
    assert TOKEN not in caplog.text
    assert "hello" not in caplog.text


async def test_while_the_exporter_starts_webhooks_are_to_come_again() -> None:
    tokens, given = Tokens(config(accounts=ACCOUNTS)), config(accounts=ACCOUNTS)
    webhooks = Webhooks(lambda: None, parse("127.0.0.1:0"))
    await webhooks.open(tokens)
    await webhooks.follow(tokens, given)
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{webhooks.url}/webhook/main", json=DELIVERED, headers=BEARER) as response:
            assert response.status == 503
        async with session.post(f"{webhooks.url}/webhook/main", json=DELIVERED) as response:
            assert response.status == 401
    await webhooks.close()


async def test_it_is_open_only_while_an_account_has_a_token() -> None:
    async with hooked() as it:
        quiet = config()
        await it.webhooks.open(Tokens(quiet))
        await it.webhooks.follow(Tokens(quiet), quiet)
        assert it.webhooks.url is None
        again = it.lab.core.config
        await it.webhooks.open(Tokens(again))
        await it.webhooks.follow(Tokens(again), again)
        assert await it.post() == (404, "unknown")


async def test_an_address_that_is_taken_is_an_error_that_names_its_flag() -> None:
    async with hooked() as it:
        port = str(it.webhooks.url).rpartition(":")[2]
        second = Webhooks(lambda: None, parse(f"127.0.0.1:{port}"))
        with pytest.raises(ListenError, match=r"--webhook\.listen-address"):
            await second.open(Tokens(it.lab.core.config))


async def test_a_tokens_file_is_read_again_when_it_changes_and_a_bad_one_keeps_the_old(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    async with hooked(accounts=[account(webhook_token_file=str(file))]) as it:
        assert await it.post(headers={"X-Webhook-Token": "first"}) == (404, "unknown")
        file.write_text("second-one\n")
        assert await it.post(headers={"X-Webhook-Token": "first"}) == (401, "token")
        assert await it.post(headers={"X-Webhook-Token": "second-one"}) == (404, "unknown")
        assert it.webhooks.problems() == []
        file.write_text("")
        assert await it.post(headers={"X-Webhook-Token": "second-one"}) == (404, "unknown")
        (problem,) = it.webhooks.problems()
        assert "account main" in problem
        assert "second-one" not in problem


def test_a_token_that_cannot_be_read_any_more_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    given = config(accounts=[account(webhook_token_file=str(file))])
    file.unlink()
    with pytest.raises(SecretError):
        Tokens(given)

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from exporter.knowledge import Bounds
from exporter.track import through
from exporter.track.board import Board
from exporter.track.calling import Calls, check_url, read_token, shown
from exporter.track.exits import Exit
from exporter.track.problems import CannotTrackError, UsageError
from tests.api_listener import ApiListener, error, listening

LONG_SECONDS = 600.0


class Waiting:
    """A wait under way."""

    def __init__(self, listener: ApiListener, board: Board, seconds: float, token: str | None, **fields: str) -> None:
        self.board = board
        self.told: list[str] = []
        url = listener.url

        def calls() -> Calls:
            return Calls(url, token, through.CALLERS)

        self.task = asyncio.create_task(through.follow(calls, board, fields, seconds, self.told.append))

    async def over(self) -> None:
        async with asyncio.timeout(30):
            await self.task


@contextlib.asynccontextmanager
async def waiting(
    listener: ApiListener, *ids: str, seconds: float = LONG_SECONDS, token: str | None = None, **fields: str
) -> AsyncIterator[Waiting]:
    wait = Waiting(listener, Board(ids), seconds, token, **fields)
    try:
        yield wait
    finally:
        wait.task.cancel()
        await asyncio.gather(wait.task, return_exceptions=True)


async def refusal(listener: ApiListener, *ids: str, token: str | None = None) -> CannotTrackError:
    async with waiting(listener, *(ids or ("a",)), token=token) as wait:
        with pytest.raises(CannotTrackError) as raised:
            await wait.over()
    assert raised.value.code is Exit.UNAVAILABLE
    return raised.value


async def test_messages_are_handed_in_and_asked_about_until_each_has_ended() -> None:
    async with listening() as listener, waiting(listener, "a", "b") as wait:
        await listener.came(2)
        bounds = {"lowerBound": 2.0, "upperBound": 3.5}
        await listener.end("b", timeToDelivery=bounds, cost=0.05, currency="USD", fallbackUsed=True, via="sms")
        await listener.end("a", "undeliverable")
        await wait.over()
    assert listener.posted == [[{"messageId": "a"}, {"messageId": "b"}]]
    a, b = wait.board.reports
    assert (a.outcome, a.time_to_delivery, a.cost) == ("undeliverable", None, None)
    assert (b.outcome, b.time_to_delivery, b.cost) == ("delivered", Bounds(2.0, 3.5), Decimal("0.05"))
    assert (b.currency, b.fallback_used, b.via, b.sent_at) == ("USD", True, "sms", "2026-01-23T10:30:00.000Z")
    assert listener.asked == {"a": 1, "b": 1}
    assert wait.told == []


async def test_a_message_that_had_ended_before_is_asked_about_once() -> None:
    async with listening() as listener:
        await listener.end("a")
        async with waiting(listener, "a") as wait:
            await wait.over()
    assert wait.board.delivered == 1
    assert listener.asked == {"a": 1}


async def test_account_and_channel_go_with_every_message() -> None:
    async with listening() as listener, waiting(listener, "a", account="second", channel="rcs") as wait:
        await listener.end("a")
        await wait.over()
    assert listener.posted == [[{"messageId": "a", "account": "second", "channel": "rcs"}]]
    assert listener.requests[-1].query["account"] == "second"


async def test_thousands_are_handed_in_five_thousand_at_a_time() -> None:
    ids = [f"m{number}" for number in range(5_001)]
    async with listening() as listener:
        for each in ids:
            await listener.end(each)
        async with waiting(listener, *ids) as wait:
            await wait.over()
    assert [len(each) for each in listener.posted] == [5_000, 1]
    assert wait.board.delivered == 5_001


async def test_more_messages_than_callers_are_asked_about_in_turn() -> None:
    ids = [f"m{number}" for number in range(through.CALLERS + 50)]
    async with listening() as listener, waiting(listener, *ids) as wait:
        await listener.came(through.CALLERS)
        assert len(listener.asked) == through.CALLERS
        for each in ids:
            await listener.end(each)
        await wait.over()
    assert wait.board.delivered == len(ids)


@pytest.mark.parametrize(("messages", "seconds"), [(1, 30.0), (200, 30.0), (400, 15.0), (6_000, 1.0)])
def test_the_more_messages_there_are_the_shorter_each_call_waits(messages: int, seconds: float) -> None:
    assert through.wait_seconds(messages) == seconds


async def test_before_the_wait_is_over_the_exporter_says_how_the_open_ones_stand() -> None:
    async with listening() as listener, waiting(listener, "a", seconds=1.0) as wait:
        await wait.over()
    (report,) = wait.board.reports
    assert (report.status, report.final, report.polls) == ("processing", False, 1)
    assert listener.waits[0] <= 0.5
    assert listener.waits[-1] == 0.0


async def test_the_token_goes_with_every_call() -> None:
    async with listening("token-7d1e") as listener:
        await listener.end("a")
        async with waiting(listener, "a", token="token-7d1e") as wait:
            await wait.over()
        assert wait.board.delivered == 1
        refused = await refusal(listener, token="another-5b2c")
    assert "answers 401: send the token" in str(refused)
    assert "SMSBAT_EXPORTER_TOKEN_FILE" in str(refused)
    assert "another-5b2c" not in str(refused)


async def test_an_exporter_that_does_not_run_is_said_at_once() -> None:
    async with listening() as listener:
        url = listener.url
    refused = await refusal(listener)
    assert str(refused) == (
        f"the exporter at {url} cannot be reached (Connection refused):"
        " does it run, and is this its --api.listen-address?"
    )


async def test_another_port_of_it_is_said_to_be_wrong() -> None:
    async with listening() as listener:
        listener.answers.append(web.Response(status=404, text="404: Not Found"))
        refused = await refusal(listener)
    assert "answers 404, in words that are not an exporter's; is this its --api.listen-address" in str(refused)


async def test_messages_that_the_exporter_rejects_are_said() -> None:
    async with listening() as listener:
        listener.rejecting["b"] = "no such \x1b[31maccount"
        refused = await refusal(listener, "a", "b")
    assert str(refused).endswith("does not take 1 of the messages: no such ?[31maccount")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"rejected": 1}'])
async def test_an_answer_that_cannot_be_read_is_said(body: bytes) -> None:
    async with listening() as listener:
        listener.answers.append(web.Response(status=202, body=body))
        assert "answers what cannot be read" in str(await refusal(listener))


async def test_a_word_that_no_exporter_says_cannot_be_read() -> None:
    async with listening() as listener:
        await listener.end("a", "delivered\x1b[2J")
        assert "answers what cannot be read" in str(await refusal(listener))


async def test_a_redirect_is_not_followed() -> None:
    async with listening() as other, listening("token-7d1e") as listener:
        listener.answers.append(web.Response(status=307, headers={"Location": f"{other.url}/api/v1/messages"}))
        assert "answers 307" in str(await refusal(listener, token="token-7d1e"))
        assert other.requests == []


@pytest.mark.parametrize("status", [429, 503])
async def test_handing_in_is_tried_again_after_what_retry_after_says(status: int) -> None:
    async with listening() as listener:
        listener.answers.append(error(status, "full", "too many", **{"Retry-After": "1"}))
        await listener.end("a")
        async with waiting(listener, "a") as wait:
            await wait.over()
    assert wait.board.delivered == 1
    assert wait.told == [f"the exporter at {listener.url} answers {status}: too many; trying again"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_message_whose_call_failed_is_asked_about_again(status: int) -> None:
    async with listening() as listener:
        await listener.end("a")
        listener.answers += [web.json_response({"accepted": 1}, status=202), error(status, "later", "not now")]
        async with waiting(listener, "a") as wait:
            await wait.over()
    assert wait.board.delivered == 1
    assert wait.told == [f"the exporter at {listener.url} answers {status}: not now; trying again"]


async def test_an_exporter_that_goes_away_for_a_while_is_told_of_once() -> None:
    async with listening() as listener:
        await listener.end("a")
        await listener.end("b")
        listener.breaking = 4
        async with waiting(listener, "a", "b") as wait:
            await wait.over()
    assert wait.board.delivered == 2
    assert wait.told == [
        f"the exporter at {listener.url} cannot be reached now (the connection broke off); trying again"
    ]


async def test_a_message_that_the_exporter_forgot_has_ended() -> None:
    async with listening() as listener:
        listener.answers += [web.json_response({"accepted": 1}, status=202)]
        async with waiting(listener, "a") as wait:
            await wait.over()
    (report,) = wait.board.reports
    assert (report.final, report.outcome, wait.board.failed) == (True, "forgotten", 1)


async def test_a_call_that_can_never_work_ends_the_wait_of_all() -> None:
    async with listening() as listener:
        listener.answers += [
            web.json_response({"accepted": 2}, status=202),
            error(400, "ambiguous", "the id exists in two accounts: say which"),
        ]
        assert "answers 400: the id exists in two accounts: say which" in str(await refusal(listener, "a", "b"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:10768", "http://[::1]:1", "https://exporter.internal/smsbat"])
def test_a_url_is_taken_with_a_slash_at_its_end_or_without(url: str) -> None:
    assert check_url(url) == check_url(f"{url}/") == url


def test_the_path_of_a_socket_is_taken_as_it_is() -> None:
    assert check_url("unix:/run/smsbat-exporter/api.sock") == "unix:/run/smsbat-exporter/api.sock"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        *(
            (each, "must be the URL")
            for each in ("", "127.0.0.1:10768", "ftp://h", "http://", "http://h:0", "http://h:x")
        ),
        *((each, "must be the URL") for each in ("http://h /", "http://h\n", "unix:", "unix:/a\n", "http://[::1")),
        *(
            (each, "must hold no user name")
            for each in ("http://user:secret-9@h", "http://h/?token=secret-9", "http://h#x")
        ),
    ],
)
def test_any_other_url_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_url(url)
    assert why in str(raised.value)
    assert "secret-9" not in str(raised.value)


def test_a_token_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token-7d1e\n")
    assert read_token(str(file)) == "token-7d1e"
    assert read_token(None) is None


def test_a_token_file_without_a_token_is_refused_and_not_quoted(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("token-7d1e\nsecond")
    with pytest.raises(UsageError) as raised:
        read_token(str(file))
    assert str(raised.value) == f"the token file {file} must be a single line of printable characters"


def test_text_of_the_exporters_is_cut_and_made_printable() -> None:
    assert shown("a\nb\x1b" + "x" * 300) == "a?b?" + "x" * 196

"""Each simulated fault, as a plain HTTP client sees it."""

from __future__ import annotations

import contextlib
import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest

from exporter.simulator import Fault, FaultKind, Life, SimAccount, Simulator
from exporter.simulator.faults import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NOW = 1_800_000_000.0
DELIVERED = Life.scripted([(0, "delivered")], cost="0.05")


class FixedClock:
    def now(self) -> float:
        return NOW


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    accounts = [SimAccount(name=name, api_key=name, requests_per_second=None) for name in ("main", "other")]
    simulator = Simulator(accounts=accounts, clock=FixedClock())
    for account in ("main", "other"):
        for message_id in ("m1", "m2"):
            simulator.add(message_id, account=account, life=DELIVERED)
    await simulator.start()
    yield simulator
    await simulator.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@contextlib.asynccontextmanager
async def asked(
    session: aiohttp.ClientSession, sim: Simulator, message_id: str = "m1", account: str = "main", patience: float = 30
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with session.get(
        f"{sim.url}/bat/message/{message_id}",
        headers={"X-Authorization-Key": account},
        timeout=aiohttp.ClientTimeout(total=patience),
        allow_redirects=False,
    ) as response:
        yield response


async def code(session: aiohttp.ClientSession, sim: Simulator, message_id: str = "m1", account: str = "main") -> int:
    async with asked(session, sim, message_id, account) as response:
        return response.status


@pytest.mark.parametrize("status", [204, 302, 400, 401, 403, 404, 429, 500, 502, 503, 504])
async def test_a_status_fault_answers_that_status(session: aiohttp.ClientSession, sim: Simulator, status: int) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=status, location="http://127.0.0.1:9/elsewhere"))
    async with asked(session, sim) as response:
        assert response.status == status
        assert response.headers["Location"] == "http://127.0.0.1:9/elsewhere"
        assert "Retry-After" not in response.headers


async def test_retry_after_comes_in_seconds(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=429, retry_after=7))
    async with asked(session, sim) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")


async def test_retry_after_comes_as_a_date(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=429, retry_after=7, retry_after_as="date"))
    async with asked(session, sim) as response:
        assert parsedate_to_datetime(response.headers["Retry-After"]).timestamp() == NOW + 7


async def test_slow_is_the_usual_answer_after_the_delay(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.SLOW, delay_seconds=30))
    with pytest.raises(TimeoutError):
        async with asked(session, sim, patience=0.1):
            pass
    sim.faults.set(Fault(kind=FaultKind.SLOW, delay_seconds=0.001))
    async with asked(session, sim) as response:
        assert (await response.json())["deliverystatus"] == "delivered"


async def test_hang_never_answers_and_does_not_keep_the_server_from_closing(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.faults.set(Fault(kind=FaultKind.HANG))
    with pytest.raises(TimeoutError):
        async with asked(session, sim, patience=0.1):
            pass


async def test_reset_drops_the_connection_without_an_answer(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.RESET))
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await code(session, sim)


async def test_cut_drops_the_connection_in_the_middle_of_the_body(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.faults.set(Fault(kind=FaultKind.CUT))
    async with asked(session, sim) as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_html_is_a_page_with_status_200(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.HTML))
    async with asked(session, sim) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert (await response.read()).startswith(b"<!DOCTYPE html>")


async def test_truncated_is_a_whole_response_with_half_of_the_json(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.faults.set(Fault(kind=FaultKind.TRUNCATED))
    async with asked(session, sim) as response:
        body = await response.read()
    assert body.startswith(b'{"messageId":"m1"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_bad_utf8_is_in_the_status(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.BAD_UTF8))
    async with asked(session, sim) as response:
        body = await response.read()
    assert b'"deliverystatus":"\xff\xfedelivered"' in body
    with pytest.raises(UnicodeDecodeError):
        body.decode()


async def test_wrong_id_is_an_answer_about_another_message(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.WRONG_ID))
    async with asked(session, sim) as response:
        assert (await response.json())["messageId"] == "another-m1"


async def test_nan_is_in_the_cost(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.NAN))
    async with asked(session, sim) as response:
        assert str((await response.json())["cost"]) == "nan"


async def test_huge_is_as_long_as_asked_for(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.HUGE, size_bytes=1_000_001))
    async with asked(session, sim) as response:
        assert len(await response.read()) == 1_000_001


async def test_a_caller_may_leave_in_the_middle_of_a_huge_body(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.HUGE))
    async with asked(session, sim) as response:
        assert await response.content.readexactly(10) == b" " * 10
        response.close()
    sim.faults.clear()
    assert await code(session, sim) == 200


async def test_a_fault_that_spoils_bodies_leaves_404_alone(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.TRUNCATED))
    assert await code(session, sim, "made-up") == 404


async def test_a_fault_can_be_for_one_account_or_one_message(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=500, account="main"))
    sim.faults.add(Fault(kind=FaultKind.STATUS, status=502, message_id="m2"))
    assert await code(session, sim, "m1", "main") == 500
    assert await code(session, sim, "m1", "other") == 200
    assert await code(session, sim, "m2", "other") == 502


async def test_a_key_can_be_revoked_after_a_while(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=401, skip_calls=2))
    assert [await code(session, sim) for _ in range(4)] == [200, 200, 401, 401]


async def test_a_fault_can_be_over_after_some_calls(session: aiohttp.ClientSession, sim: Simulator) -> None:
    sim.faults.set(Fault(kind=FaultKind.STATUS, status=503, max_calls=2))
    assert [await code(session, sim) for _ in range(4)] == [503, 503, 200, 200]


async def test_the_ledger_counts_faults_by_kind_and_the_calls_they_hit(
    session: aiohttp.ClientSession, sim: Simulator
) -> None:
    sim.faults.set(Fault(kind=FaultKind.HTML, max_calls=1))
    await code(session, sim)
    await code(session, sim)
    await code(session, sim, "made-up")
    assert sim.ledger.answers == {("main", "html"): 1, ("main", "200"): 1, ("main", "404"): 1}
    entry = sim.ledger.find("main", "m1")
    assert entry is not None
    assert entry.calls == 2


def strikes(seed: int, calls: list[tuple[str, int]]) -> Iterator[bool]:
    faults = Faults(seed)
    faults.set(Fault(kind=FaultKind.RESET, share=0.25))
    return (faults.striking("main", message_id, call) is not None for message_id, call in calls)


def test_a_share_of_calls_is_struck_whatever_their_order() -> None:
    calls = [(f"m{n}", call) for n in range(1000) for call in (1, 2, 3)]
    struck = dict(zip(calls, strikes(1, calls), strict=True))
    assert sum(struck.values()) / len(calls) == pytest.approx(0.25, abs=0.03)
    backwards = calls[::-1]
    assert dict(zip(backwards, strikes(1, backwards), strict=True)) == struck
    assert dict(zip(calls, strikes(2, calls), strict=True)) != struck

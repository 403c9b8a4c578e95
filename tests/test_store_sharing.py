"""Questions to the store that are asked at the same time."""

from __future__ import annotations

import asyncio

import pytest

from exporter.store import FinishedRow, Store, StoreError
from exporter.store.memory import MemoryStore
from exporter.store.sharing import Sharing
from exporter.store.writer import Writer


class Calls:
    """Looks finished messages up, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.broken = False

    def __call__(self, store: Store, keys: list[str]) -> dict[str, FinishedRow | None]:
        self.asked.append(keys)
        if self.broken:
            raise StoreError("the disk went away")
        return {key: store.finished("main", key) for key in keys}


async def test_who_asks_at_the_same_time_shares_a_call_and_who_comes_later_the_next() -> None:
    calls, writer = Calls(), Writer(MemoryStore())
    sharing = Sharing(writer, calls)
    first = [asyncio.ensure_future(sharing.of(keys)) for keys in (["m1", "m2"], ["m2"], ["m3"])]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.ensure_future(sharing.of([key])) for key in ("m4", "m1")]
    answers = await asyncio.gather(*first, *later)
    assert calls.asked == [["m1", "m2", "m3"], ["m4", "m1"]]
    assert [set(each) for each in answers] == [{"m1", "m2", "m3"}] * 3 + [{"m4", "m1"}] * 2
    await writer.close()


async def test_all_hear_of_an_error_and_the_next_call_is_a_new_one() -> None:
    calls, writer = Calls(), Writer(MemoryStore())
    sharing = Sharing(writer, calls)
    calls.broken = True
    answers = await asyncio.gather(sharing.of(["m1"]), sharing.of(["m2"]), return_exceptions=True)
    assert [type(each) for each in answers] == [StoreError, StoreError]
    calls.broken = False
    assert await sharing.of(["m1"]) == {"m1": None}
    await writer.close()
    with pytest.raises(StoreError, match="closed"):
        await sharing.of(["m1"])


async def test_who_gives_up_does_not_disturb_the_others() -> None:
    sharing = Sharing(writer := Writer(MemoryStore()), Calls())
    given_up, other = (asyncio.ensure_future(sharing.of([key])) for key in ("m1", "m2"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert "m2" in await other
    await writer.close()

from __future__ import annotations

import pytest

from exporter.store import StoreError
from exporter.store.memory import MemoryStore
from exporter.store.writer import Writer


async def test_a_call_after_the_end_says_that_the_store_is_closed() -> None:
    writer = Writer(MemoryStore())
    assert await writer.call(lambda store: store.count()) == 0
    await writer.close()
    with pytest.raises(StoreError, match="closed"):
        await writer.call(lambda store: store.count())

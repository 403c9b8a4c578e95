"""The list, the files and the relay, started, reloaded and stopped together."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from exporter.sources import Sources
from tests.lab import Lab
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

M1: dict[str, object] = {"id": "m1", "channel": "sms"}
M2: dict[str, object] = {"id": "m2", "channel": "sms"}


@asynccontextmanager
async def at_work(lab: Lab) -> AsyncIterator[Sources]:
    """Run the sources of a lab while the block lasts."""
    ended: list[asyncio.Task[None]] = []
    sources = Sources(lab.core, ended.append)
    follow(lab, sources)
    try:
        yield sources
    finally:
        await sources.stop()
    assert all(task.cancelled() or task.exception() is None for task in ended)


def follow(lab: Lab, sources: Sources) -> None:
    sources.follow(lab.core.config, sources.lines(lab.core.config))


def accepted(lab: Lab, source: str) -> float | None:
    return lab.shown("exporter_intake", source=source, result="accepted")


@in_virtual_time
async def test_what_is_listed_and_what_files_say_is_taken_in_from_the_start_and_after_a_reload(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"messageId": "m3"}) + "\n")
    async with Lab(messages=[M1]) as lab, at_work(lab) as sources:
        await sources.listed()
        assert (accepted(lab, "config"), accepted(lab, "file")) == (1, 0)
        lab.reload(messages=[M1, M2], intake={"files": [f"{tmp_path}/*.jsonl"]})
        follow(lab, sources)
        await sources.listed()
        await lab.until(lambda: accepted(lab, "file") == 1)
        assert accepted(lab, "config") == 2


@in_virtual_time
async def test_a_store_that_does_not_work_delays_the_list_and_holds_nobody_up_for_long() -> None:
    async with Lab(messages=[M1]) as lab:
        lab.store.fails_reading = True
        async with at_work(lab) as sources:
            await sources.listed()
            assert accepted(lab, "config") == 0
            lab.store.fails_reading = False
            await lab.until(lambda: accepted(lab, "config") == 1)


@in_virtual_time
async def test_only_the_newest_list_is_followed_after_the_store_works_again() -> None:
    async with Lab(messages=[M1]) as lab:
        lab.store.fails_reading = True
        async with at_work(lab) as sources:
            await sources.listed()
            lab.reload(messages=[M2])
            follow(lab, sources)
            lab.store.fails_reading = False
            await lab.until(lambda: accepted(lab, "config") == 1)
            await lab.wait(60)
            assert lab.core.in_flight.find("main", "m1") is None
            assert lab.core.in_flight.find("main", "m2") is not None


@in_virtual_time
async def test_files_that_wait_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messageId": "m1"}\n{"messageId": "m2"}\n')
    async with Lab(intake={"files": [f"{tmp_path}/*.jsonl"], "max_in_flight": 1}) as lab, at_work(lab) as sources:
        await lab.until(lambda: bool(sources.problems()))
        assert sources.problems() == ["files wait: intake.max_in_flight is reached"]


@in_virtual_time
async def test_pollers_tell_the_relay_what_they_hear_while_there_is_one() -> None:
    async with Lab() as lab, at_work(lab) as sources:
        assert sources.on_answer(lab.core.config) is None
        lab.reload(relay={})
        follow(lab, sources)
        assert sources.on_answer(lab.core.config) == sources.relay().on_answer

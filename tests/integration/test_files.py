"""Files of JSON lines: followed by the real process across kill -9 and rotation, each message tracked exactly once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Final

import aiohttp

from tests.integration.configs import account, config
from tests.integration.process import SERVE, Exporter, serving, spawn, write_config
from tests.integration.scrape import Scrape
from tests.integration.simulated import simulated

SEED: Final = 5
LIVES: Final = 8
STARTING_TURNS: Final = 20
MOST_TURNS: Final = 75
TURN_SECONDS: Final = 0.02
ROTATES: Final = 0.1
LEAST_ROTATIONS: Final = 20
LINES_A_TURN: Final = 40
ACCEPTED: Final = "smsbat_messages_accepted_total"
INTAKE: Final = "smsbat_exporter_intake_total"
RESULTS: Final = ("accepted", "duplicate", "rejected")


class Application:
    """Writes messages to its log all the time, flushes where it likes, and rotates."""

    def __init__(self, log: Path, rng: random.Random) -> None:
        self.log = log
        self.written = 0
        self.rotations = 0
        self._rng = rng
        self._unwritten = b""

    def work(self) -> None:
        """Write some lines, and sometimes rotate."""
        self._flush(self._lines(), whole=False)
        if self._rng.random() < ROTATES:
            self._rotate()

    def finish(self) -> None:
        """Write what was held back."""
        self._flush(b"", whole=True)

    def _lines(self) -> bytes:
        first, self.written = self.written, self.written + self._rng.randint(0, LINES_A_TURN)
        lines = [json.dumps({"messageId": f"msg-{number}", "channel": "sms"}) for number in range(first, self.written)]
        return "".join(f"{line}\n" for line in lines).encode()

    def _flush(self, lines: bytes, *, whole: bool) -> None:
        """Leave some bytes for the next time, mostly in the middle of a line."""
        self._unwritten += lines
        size = len(self._unwritten) - (0 if whole else self._rng.randint(0, 60))
        with self.log.open("ab") as file:
            file.write(self._unwritten[: max(0, size)])
        self._unwritten = self._unwritten[max(0, size) :]

    def _rotate(self) -> None:
        self._flush(b"", whole=True)
        self.rotations += 1
        name = self.log.with_name(f"sent.jsonl.{self.rotations}")
        if self._rng.random() < 0.5:
            self.log.rename(name)
        else:
            shutil.copy(self.log, name)
            os.truncate(self.log, 0)


def following(url: str, **intake: object) -> str:
    """Return a configuration that follows every name of the log, and polls nothing soon."""
    seldom = {"first": "1h", "interval": "1h"}
    return config([account(url)], polling=[seldom], intake={"files": ["sent.jsonl*"], **intake})


async def live(application: Application, exporter: Exporter, turns: int) -> None:
    """Let both work for a while."""
    for _ in range(turns):
        application.work()
        assert await exporter.runs_for(TURN_SECONDS), exporter.log


def taken_in(scrape: Scrape) -> dict[str, float]:
    """Return what became of the lines."""
    return {result: scrape.sum(INTAKE, source="file", result=result) for result in RESULTS}


async def test_each_line_is_tracked_once_through_kill_9_and_rotation(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    application = Application(tmp_path / "sent.jsonl", rng)
    async with simulated() as simulator, aiohttp.ClientSession() as session:
        write_config(tmp_path, following(simulator.url))
        for _ in range(LIVES):
            async with spawn(session, tmp_path, *SERVE) as exporter:
                await live(application, exporter, STARTING_TURNS)
                await exporter.ready()
                await live(application, exporter, rng.randint(1, MOST_TURNS))
                assert await exporter.kill() == -signal.SIGKILL
            application.work()
        application.finish()
        async with spawn(session, tmp_path, *SERVE) as exporter:
            scrape = await exporter.shows(lambda it: it.sum(ACCEPTED) >= application.written)
            assert await exporter.stop() == 0
    assert scrape.sum(ACCEPTED) == application.written
    assert taken_in(scrape) == {"accepted": application.written, "duplicate": 0, "rejected": 0}
    assert application.rotations >= LEAST_ROTATIONS


async def test_bad_lines_are_counted_and_logged_once_a_file_without_what_they_say(tmp_path: Path) -> None:
    lines = ['{"messageId": "msg-1"}', "380501234567 secret", '{"messageId": "a/b"}', "", '{"messageId": "msg-2"}']
    (tmp_path / "sent.jsonl").write_text("".join(f"{line}\n" for line in lines))
    async with simulated() as simulator:
        write_config(tmp_path, following(simulator.url))
        async with serving(tmp_path) as exporter:
            await exporter.url()
            scrape = await exporter.shows(lambda it: it.sum(INTAKE, result="rejected") == 2)
            assert taken_in(scrape) == {"accepted": 2, "duplicate": 0, "rejected": 2}
            assert "at_byte=23" in await exporter.logged("is no message")
            assert exporter.log.count("is no message") == 1
            assert "secret" not in exporter.log
            assert await exporter.stop() == 0


async def test_lines_that_do_not_fit_wait_and_the_health_page_says_so(tmp_path: Path) -> None:
    (tmp_path / "sent.jsonl").write_text("".join(f'{{"messageId": "msg-{each}"}}\n' for each in range(10)))
    async with simulated() as simulator:
        write_config(tmp_path, following(simulator.url, max_in_flight=7))
        async with serving(tmp_path, "--web.enable-lifecycle") as exporter:
            await exporter.logged("files wait")
            assert (await exporter.scrape()).sum(ACCEPTED) == 7
            assert "files wait: intake.max_in_flight is reached" in (await exporter.get("/-/healthy"))[1]
            write_config(tmp_path, following(simulator.url, max_in_flight=10))
            assert (await exporter.get("/-/reload", method="POST"))[0] == 200
            scrape = await exporter.shows(lambda it: it.sum(ACCEPTED) == 10)
            assert taken_in(scrape) == {"accepted": 10, "duplicate": 0, "rejected": 0}


async def test_a_reload_follows_other_files(tmp_path: Path) -> None:
    (tmp_path / "sent.jsonl").write_text('{"messageId": "msg-1"}\n')
    async with simulated() as simulator:
        write_config(tmp_path, config([account(simulator.url)]))
        async with serving(tmp_path, "--web.enable-lifecycle") as exporter:
            await exporter.ready()
            write_config(tmp_path, following(simulator.url))
            assert (await exporter.get("/-/reload", method="POST"))[0] == 200
            await exporter.shows(lambda it: it.sum(ACCEPTED) == 1)
            assert await exporter.stop() == 0

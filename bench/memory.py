"""A million messages in flight: what each costs in memory, what they cost a scrape, and how fast they load again."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Final

import msgspec

from bench.loading import Loaded
from bench.table import Row, Target
from exporter.columns import MATURED
from exporter.message import Status
from exporter.store import Batch, InFlightRow
from exporter.store.sqlite import SqliteStore

MESSAGES: Final = 1_000_000
_FEW: Final = 1_000
_ROUNDS: Final = 5
_COMMIT: Final = 50_000
_CHANNELS: Final = ("sms", "viber_promo", "viber_otp")
_OLDEST_SECONDS: Final = 48 * 3_600.0


def fill(path: Path, count: int) -> None:
    """Store so many messages, sent over the last two days; each was polled as the default entry would have."""
    store, random, now = SqliteStore(path), Random(1), time.time()
    for start in range(0, count, _COMMIT):
        rows = [_row(seq, now, random) for seq in range(start + 1, min(start + _COMMIT, count) + 1)]
        store.commit(Batch(accepted=rows))
    store.close()


def _row(seq: int, now: float, random: Random) -> InFlightRow:
    sent_at = now - random.random() * _OLDEST_SECONDS
    # A gap is half the age: the last poll was at two thirds of it, or later.
    answered_at = now - random.random() * (now - sent_at) / 3
    return InFlightRow(
        seq=seq,
        account="main",
        id=str(uuid.UUID(int=random.getrandbits(128))),
        channel=random.choice(_CHANNELS),
        labels="",
        sent_at=sent_at,
        accepted_at=sent_at,
        ttl=math.inf,
        traceparent=None,
        status=Status.PROCESSING,
        seen=1 << Status.PROCESSING,
        in_flight_at=answered_at,
        answered_at=answered_at,
        other_at=answered_at,
        flags=MATURED,
        polls=5,
    )


def _loaded(many: Path, few: Path) -> Loaded:
    """Load in a process of its own, whose memory is not this one's."""
    command = [sys.executable, "-m", "bench.loading", str(many), str(few)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (itself)
    return msgspec.json.decode(run.stdout, type=Loaded)


def _measured(count: int) -> dict[str, float]:
    """Return the median of each figure over several runs."""
    with tempfile.TemporaryDirectory() as folder:
        many, few = Path(folder) / "many.db", Path(folder) / "few.db"
        fill(many, count)
        fill(few, _FEW)
        runs = [msgspec.structs.asdict(_loaded(many, few)) for _ in range(_ROUNDS)]
    return {name: median(run[name] for run in runs) for name in runs[0]}


def rows(count: int = MESSAGES) -> Iterator[Row]:
    """Measure."""
    found, what = _measured(count), f"{count:,} messages"
    each, ids = found["grown_bytes"] / count, found["ids_bytes"] / count
    yield Row(f"memory of {what}", each, "their ids in a dict", ids, "B/message", Target("measured", "<=", 350.0))
    scrapes = (found["scrape_many"] * 1e3, found["scrape_few"] * 1e3)
    yield Row(f"/metrics with {what}", scrapes[0], f"with {_FEW:,}", scrapes[1], "ms", Target("ratio", "<=", 1.25))
    times = (found["load_seconds"], found["select_seconds"])
    yield Row(f"load {what}", times[0], "bare SELECT loop", times[1], "s", Target("ratio", "<=", 2.0))
    yield Row("until all wait for their polls", found["placed_seconds"], "bare SELECT loop", times[1], "s")

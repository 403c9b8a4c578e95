"""Runs the benchmarks: `python -m bench`, or some of them by name; exits 1 when a target is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import Final

from bench import campaign, idle, ingest, memory, polls, relay, traces, truth, waiters
from bench.table import Row, render

_PARTS: Final[dict[str, tuple[Callable[[], Iterable[Row]], ...]]] = {
    "schedule": (truth.rows, campaign.rows),
    "polls": (polls.rows,),
    "memory": (memory.rows,),
    "idle": (idle.rows,),
    "relay": (relay.rows,),
    "ingest": (ingest.batches, ingest.posts),
    "traces": (traces.rows,),
    "waiters": (waiters.rows,),
}


def main() -> int:
    """Measure, then print one table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what the exporter must reach.")
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*_PARTS, []], help=", ".join(_PARTS))
    rows: list[Row] = []
    for part in parser.parse_args().parts or _PARTS:
        print(f"measuring: {part}", file=sys.stderr, flush=True)
        for measure in _PARTS[part]:
            rows += measure()
    print(render(rows))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

"""The simulated API in a process of its own, on its own core: `python -m bench.polling_server COUNT CORE LIFE`."""

from __future__ import annotations

import sys
import time
from typing import Final

import uvloop

from bench.cores import pin
from exporter.simulator import SimAccount, Simulator, never_ending, realistic, run

SENT_BEFORE_SECONDS: Final = 7_200.0


def message_id(number: int) -> str:
    """Return an id as long as a UUID."""
    return f"{number:036d}"


def main() -> None:
    """Serve until the process is ended; the base URL is the one line of output."""
    count, core, life = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    pin(core)
    simulator = Simulator(
        accounts=[SimAccount(name="main", api_key="benchmark", requests_per_second=None)],
        profile=never_ending() if life == "never_ending" else realistic(),
        keep_arrivals=False,
    )
    sent_at = time.time() - SENT_BEFORE_SECONDS
    for number in range(count):
        # The answer is built when it is first asked for: that is the API's work, and none of what is measured.
        simulator.add(message_id(number), sent_at=sent_at).answer_at(time.time())
    uvloop.run(run(simulator, "127.0.0.1", 0, lambda url: print(url, flush=True)))


if __name__ == "__main__":
    main()

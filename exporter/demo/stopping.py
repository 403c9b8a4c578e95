"""What ends a command that runs until somebody stops it."""

from __future__ import annotations

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """Return the event that Ctrl-C and SIGTERM set, in place of what else they would do."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping

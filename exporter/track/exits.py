"""How `track` exits."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """What a shell can tell from; those from 64 on are sysexits' and mean that nothing can be said of the messages.

    Interrupted, it exits with 128 plus the signal's number, as a shell expects: 130 after Ctrl-C, 143 after SIGTERM.
    """

    DELIVERED = 0
    """Every message was delivered."""
    FAILED = 1
    """All ended, and some were not delivered."""
    OPEN = 2
    """The wait was over before some had ended; others may have failed."""
    USAGE = 64
    """A flag, an id or a file of ids is wrong; argparse's own 2 would read as OPEN."""
    UNAVAILABLE = 69
    """The exporter of `--via` cannot be reached, or refuses."""
    SOFTWARE = 70
    """A part of this program failed; Python's own 1 would read as FAILED."""
    UNWRITTEN = 74
    """Standard output cannot be written to."""
    CONFIG = 78
    """The configuration is wrong, or there is none."""

"""What time it is, asked at the edge and nowhere else."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Gives the time to whoever stands at the edge; everybody else is told."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

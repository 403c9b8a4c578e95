"""Keeps a process on one core, where the system can."""

from __future__ import annotations

import os


def pin(core: int) -> None:
    """Run this process on one core only, counted from 0 among those that it may use; macOS cannot."""
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {mine[core % len(mine)]})

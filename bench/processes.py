"""What another process has used: memory and CPU, on Linux from /proc, elsewhere from `ps`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """Return a process's resident memory."""
    statm = Path(f"/proc/{pid}/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return int(_ps("rss", pid)) * 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    minutes, _, seconds = _ps("time", pid).rpartition(":")
    return float(minutes.rpartition(":")[2] or 0) * 60 + float(seconds)


def _ps(field: str, pid: int) -> str:
    command = ["ps", "-o", f"{field}=", "-p", str(pid)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (nothing from outside)
    return run.stdout.strip()

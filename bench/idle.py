"""What the exporter costs while nothing happens: `serve` with the example configuration, beside bare imports."""

from __future__ import annotations

import compileall
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from bench.processes import cpu_seconds, resident_bytes
from bench.serving import free_port, start, wait_until_ready
from bench.table import Row, Target

_EXAMPLE: Final = Path(__file__).parents[1] / "config.example.yaml"
_PACKAGE: Final = _EXAMPLE.with_name("exporter")
_BARE: Final = "import aiohttp, uvloop, msgspec, prometheus_client, yaml; print('ready', flush=True); input()"
_STARTS: Final = 5
_IDLE_SECONDS: Final = 20.0


def _exporter(port: int, folder: str) -> subprocess.Popen[str]:
    """Start the exporter with the example's settings, its store in a folder that goes away."""
    text = _EXAMPLE.read_text().replace("path: smsbat-exporter.db", f"path: {folder}/state.db")
    config = Path(folder) / "config.yaml"
    config.write_text(text)
    return start(config, port, 0)


def _bare() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _BARE]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 (itself)


def _start_exporter(folder: str) -> tuple[subprocess.Popen[str], float]:
    """Start it; returns it with the seconds until it was ready."""
    port = free_port()
    began = time.perf_counter()
    process = _exporter(port, folder)
    wait_until_ready(port)
    return process, time.perf_counter() - began


def _start_bare() -> tuple[subprocess.Popen[str], float]:
    """Start a Python that only imports the libraries; returns it with the seconds until it has."""
    began = time.perf_counter()
    process = _bare()
    assert process.stdout is not None
    process.stdout.readline()
    return process, time.perf_counter() - began


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.communicate()


def _cpu_share(process: subprocess.Popen[str]) -> float:
    before = cpu_seconds(process.pid)
    time.sleep(_IDLE_SECONDS)
    return (cpu_seconds(process.pid) - before) / _IDLE_SECONDS


def rows() -> Iterator[Row]:
    """Measure: several starts of each, one after the other, then one exporter at rest."""
    # An installed package is compiled; one that is not takes 0.5 MiB and 0.15 s more.
    compileall.compile_dir(_PACKAGE, quiet=1)
    name = "bare Python with the libraries"
    ours: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    for _ in range(_STARTS):
        with tempfile.TemporaryDirectory() as folder:
            for start, found in ((_start_exporter(folder), ours), (_start_bare(), bare)):
                process, seconds = start
                found.append((seconds, resident_bytes(process.pid) / 2**20))
                _end(process)
    for place, what, unit, limit in ((0, "time to ready", "s", 0.6), (1, "memory at rest", "MiB", 56.0)):
        mine, other = (median(run[place] for run in runs) for runs in (ours, bare))
        yield Row(what, mine, name, other, unit, Target("measured", "<=", limit))
    with tempfile.TemporaryDirectory() as folder:
        process, other_process = _start_exporter(folder)[0], _start_bare()[0]
        share, other = _cpu_share(process), _cpu_share(other_process)
        _end(process)
        _end(other_process)
    yield Row("CPU at rest", share, name, other, "%", Target("measured", "<=", 0.005))

"""Runs `serve` in a process of its own, with its store in a folder that goes away."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

_LONGEST_START_SECONDS: Final = 10.0


class Serving(NamedTuple):
    """A running exporter: its process, its base URLs, and the folder of its store."""

    pid: int
    web: str
    api: str
    folder: Path


@contextmanager
def serving(account: dict[str, object] | None = None, **settings: object) -> Iterator[Serving]:
    """Run the exporter with one account named `main`, by default one whose API is down, and any messages in flight."""
    whole = {
        "accounts": [
            {
                "name": "main",
                "base_url": f"http://127.0.0.1:{free_port()}",
                "auth": {"method": "header", "api_key": "benchmark"},
                **(account or {}),
            }
        ],
        "intake": {"max_in_flight": 10_000_000},
        **settings,
    }
    with tempfile.TemporaryDirectory() as name:
        folder, web, api = Path(name), free_port(), free_port()
        config = folder / "config.yaml"
        # JSON is YAML.
        config.write_text(json.dumps({**whole, "store": {"path": f"{folder}/state.db"}}))
        with start(config, web, api) as process:
            try:
                wait_until_ready(web)
                yield Serving(process.pid, f"http://127.0.0.1:{web}", f"http://127.0.0.1:{api}", folder)
            finally:
                process.send_signal(signal.SIGTERM)


def start(config: Path, web: int, api: int) -> subprocess.Popen[str]:
    """Start the exporter on these ports; it says nothing."""
    listening = (f"--web.listen-address=127.0.0.1:{web}", f"--api.listen-address=127.0.0.1:{api}")
    return subprocess.Popen(  # noqa: S603 (itself)
        [sys.executable, "-m", "exporter", "serve", f"--config.file={config}", *listening],
        env=os.environ | {"SMSBAT_API_KEY": "x"},
        stderr=subprocess.DEVNULL,
        text=True,
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_ready(port: int) -> None:
    """Return once the exporter is ready; raises TimeoutError."""
    deadline = time.perf_counter() + _LONGEST_START_SECONDS
    while time.perf_counter() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
            if answer.status == 200:
                return
        time.sleep(0.005)
    raise TimeoutError("the exporter did not become ready")

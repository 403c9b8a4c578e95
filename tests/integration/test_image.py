"""The image that `.ci/image` has built: what it holds and says of itself, and that it runs as engines run it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from exporter import __version__
from tests.integration.configs import KEY
from tests.integration.process import LISTENING, PATIENCE_SECONDS, Exporter
from tests.integration.simulated import caller, delivered_after, simulated

MOST_BYTES: Final = 120_000_000
USER: Final = 65532
STATE: Final = "var/lib/smsbat-exporter"
SHELLS_AND_TOOLS: Final = frozenset(
    {"sh", "bash", "dash", "ash", "busybox", "apt", "apt-get", "dpkg", "perl", "pip", "pip3", "mount", "su", "ldd"}
)
AS_AN_ENGINE: Final = """
set -e
root=$0 state=$1
shift
/bin/mkdir -p "$root/proc" "$root/dev"
/bin/mount --bind "$root" "$root"
/bin/mount --bind "$state" "$root/var/lib/smsbat-exporter"
/bin/mount --rbind /proc "$root/proc"
/bin/mount --rbind /dev "$root/dev"
/bin/mount -o remount,ro,bind "$root"
exec /usr/sbin/chroot --userspec=65532:65532 "$root" "$@"
"""
"""In a mount namespace of its own: a read-only root, the volume, and the user of the image."""


class Image:
    """A built image, laid open in a folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.config: dict[str, Any] = json.loads((folder / "image.json").read_text())["Docker"]["config"]

    def files(self) -> Iterator[Path]:
        """Yield everything in it, links as they are."""
        return self.root.rglob("*")


@pytest.fixture(scope="module")
def image() -> Image:
    folder = os.environ.get("SMSBAT_IMAGE")
    if folder is None:
        pytest.skip("no image: build one by `.ci/image build/image`, as root, and set SMSBAT_IMAGE=build/image")
    return Image(Path(folder).resolve())


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A volume as an engine makes it: whose it is in the image."""
    made = tmp_path / "state"
    made.mkdir()
    os.chown(made, USER, USER)
    return made


@asynccontextmanager
async def running(
    image: Image, state: Path, *arguments: str, url: str = "http://127.0.0.1:1"
) -> AsyncIterator[Exporter]:
    """Run the image's entry point with its environment, user and volume, while the block lasts."""
    process = await asyncio.create_subprocess_exec(
        *command(image, state, *arguments), env=environment(image, url), stderr=asyncio.subprocess.PIPE
    )
    async with aiohttp.ClientSession() as session:
        exporter = Exporter(process, session)
        try:
            yield exporter
        finally:
            await exporter.kill()


async def output(image: Image, state: Path, *arguments: str) -> tuple[int, str]:
    """Run a program of the image to its end; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command(image, state, *arguments),
        env=environment(image, "http://127.0.0.1:1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def command(image: Image, state: Path, *arguments: str) -> list[str]:
    inside = ["/bin/sh", "-c", AS_AN_ENGINE, str(image.root), str(state), *arguments]
    return ["/usr/bin/unshare", "--mount", "--propagation", "private", *inside]


def environment(image: Image, url: str) -> dict[str, str]:
    own = dict(line.split("=", 1) for line in image.config["Env"])
    return own | {"SMSBAT_API_KEY": KEY, "SMSBAT_BASE_URL": url}


def test_it_says_what_engines_and_registries_want_to_know(image: Image) -> None:
    config = image.config
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("65532:65532", ["smsbat-exporter"], [])
    assert (config["StopSignal"], list(config["Volumes"])) == ("SIGTERM", [f"/{STATE}"])
    assert config["Healthcheck"]["Test"] == ["CMD", "smsbat-exporter", "health"]
    assert set(config["ExposedPorts"]) == {"10767/tcp", "10768/tcp", "10769/tcp"}
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("smsbat-exporter", __version__, "Apache-2.0")
    assert len(labels["revision"]) == 40


def test_it_is_at_most_120_megabytes(image: Image) -> None:
    assert sum(path.lstat().st_size for path in image.files() if not path.is_dir()) <= MOST_BYTES


def test_it_has_no_shell_no_package_manager_and_no_tool(image: Image) -> None:
    assert {path.name for path in image.files()} & SHELLS_AND_TOOLS == set()
    folders = {image.root / name for name in ("usr/bin", "usr/sbin", "usr/local/bin")}
    programs = {path.name for path in image.files() if path.parent in folders}
    assert {name for name in programs if not name.startswith("python3")} == set()


def test_its_user_can_write_nothing_but_the_state(image: Image) -> None:
    for path in (image.root, *image.files()):
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode) or path == image.root / STATE:
            continue
        assert status.st_uid == status.st_gid == 0, path
        assert status.st_mode & (stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID) == 0, path
    assert (image.root / STATE).lstat().st_uid == USER


async def test_everything_that_it_may_import_is_there(image: Image, state: Path) -> None:
    program = (
        "import importlib, pkgutil, exporter; "
        "names = [m.name for m in pkgutil.walk_packages(exporter.__path__, 'exporter.') if 'main' not in m.name]; "
        "[importlib.import_module(name) for name in (*names, 'bcrypt', 'jinja2', 'uvloop', 'opentelemetry.sdk.trace', "
        "'opentelemetry.exporter.otlp.proto.http.trace_exporter')]; print(len(names) > 100)"
    )
    assert await output(image, state, "python3", "-c", program) == (0, "True\n")


async def test_it_starts_is_scraped_and_stops_with_a_root_that_is_read_only(image: Image, state: Path) -> None:
    entry = image.config["Entrypoint"][0]
    async with simulated(caller("default")) as simulator:
        async with running(image, state, entry, *LISTENING, url=simulator.url) as exporter:
            url = await exporter.ready()
            scrape = await exporter.scrape()
            revision = image.config["Labels"]["org.opencontainers.image.revision"]
            assert scrape.sum("smsbat_exporter_build_info", version=__version__, revision=revision) == 1
            assert scrape.sum("smsbat_exporter_store_up") == 1
            code, said = await output(image, state, entry, "health", f"--web.listen-address={url.partition('//')[2]}")
            assert (code, said) == (0, "smsbat-exporter is healthy\n")
            status, page = await exporter.get("/")
            assert (status, "smsbat-exporter" in page) == (200, True)
            assert await exporter.stop() == 0
        code, said = await output(image, state, entry, "health", f"--web.listen-address={url.partition('//')[2]}")
        assert (code, "nobody answers" in said) == (1, True)
        assert (state / "state.db").stat().st_uid == USER


async def test_its_state_outlives_kill_9(image: Image, state: Path) -> None:
    async with simulated(caller("default")) as simulator:
        simulator.add("msg-1", life=delivered_after(0.0))
        async with running(image, state, "smsbat-exporter", *LISTENING, url=simulator.url) as exporter:
            await hand_in(exporter, "msg-1")
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight") == 0)
            await exporter.kill()
        async with running(image, state, "smsbat-exporter", *LISTENING, url=simulator.url) as exporter:
            await exporter.ready()
            scrape = await exporter.scrape()
            assert scrape.sum("smsbat_messages_finished_total", outcome="delivered") == 1


async def hand_in(exporter: Exporter, message_id: str) -> None:
    await exporter.ready()
    body = {"messageId": message_id, "channel": "sms"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{await exporter.api_url()}/api/v1/messages", json=body) as answer,
    ):
        assert answer.status == 202


async def test_a_volume_that_is_not_its_own_is_named_with_what_to_do(image: Image, tmp_path: Path) -> None:
    code, said = await output(image, tmp_path, "smsbat-exporter", *LISTENING)
    assert code == 1
    assert said.splitlines()[-1] == (
        "smsbat-exporter: the store /var/lib/smsbat-exporter/state.db cannot be used: the directory "
        "/var/lib/smsbat-exporter is not writable; make it so, or mount a volume there"
    )


async def test_the_simulated_api_is_in_it_too(image: Image, state: Path) -> None:
    code, said = await output(image, state, "smsbat-exporter", "simulate", "--help")
    assert (code, "--simulator.listen-address" in said) == (0, True)

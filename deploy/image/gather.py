"""Copies what the exporter runs on out of the image that builds it: interpreter, libraries, certificates, no shell.

Run by the Python of the environment to be shipped: `python gather.py TARGET`. What is copied keeps its path.
"""

from __future__ import annotations

import compileall
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

UNUSED: Final = (
    *("__pycache__", "config-*", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data"),
    *("site-packages", "test", "tests", "tkinter", "turtledemo", "_tkinter*", "_test*"),
)
"""Of the standard library."""
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
CACHE: Final = Path("/etc/ld.so.cache")
"""Where the loader finds libraries that lie in no standard folder, such as libpython's in Docker's Python images."""
FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nsmsbat:x:65532:65532::/var/lib/smsbat-exporter:/sbin/nologin\n",
    "etc/group": "root:x:0:\nsmsbat:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def gather(target: Path) -> None:
    """Copy everything below `target`."""
    environment = Path(sys.prefix)
    library = Path(sysconfig.get_path("stdlib"))
    (target / "var" / "lib").mkdir(parents=True)
    for link in ("bin", "lib", "lib64"):
        if (original := Path("/", link)).is_symlink():
            (target / link).symlink_to(original.readlink())
    for tree, left_out in ((library, UNUSED), (environment, ("__pycache__", "*.pyi", "*.pyx", "*.pxd"))):
        shutil.copytree(tree, below(target, tree), symlinks=True, ignore=shutil.ignore_patterns(*left_out))
        compileall.compile_dir(
            below(target, tree), stripdir=target, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH
        )
    interpreters = list(links(environment / "bin" / "python3"))
    programs = [interpreters[-1], *library.rglob("*.so"), *environment.rglob("*.so*")]
    for path in {*interpreters, *libraries(programs), CERTIFICATES, CACHE}:
        copy(path, target)
    for name, text in FILES.items():
        (target / name).write_text(text)


def below(target: Path, path: Path) -> Path:
    """Return where a path of this image is below `target`."""
    return target / path.relative_to("/")


def links(path: Path) -> Iterator[Path]:
    """Yield a path, and what each symbolic link on the way to the file points to."""
    yield path
    while path.is_symlink():
        path = path.parent / path.readlink()
        yield path


def libraries(programs: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that programs load, with their loader, and what threads load when they end."""
    listed = subprocess.run(["ldd", *map(str, programs)], check=False, capture_output=True, text=True).stdout
    found = {Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/")}
    needed = {path for path in found if path.is_file()}
    return needed | {path for path in (library.with_name("libgcc_s.so.1") for library in needed) if path.is_file()}


def copy(path: Path, target: Path) -> None:
    """Copy one file, under the path at which it is looked for."""
    place = below(target, path.parent.resolve() / path.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists():
        shutil.copy2(path, place, follow_symlinks=not path.is_symlink() or ".so" in path.name)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))

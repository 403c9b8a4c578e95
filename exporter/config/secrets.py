"""Secrets: where each is kept, and its current value."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import msgspec
from pydantic import SecretStr

_LONGEST_BYTES: Final = 64 * 1024

Signature = tuple[int, ...]
"""The state of a file by its device, inode, size and times: another one when it was written or replaced."""


class SecretError(ValueError):
    """Why something cannot be a secret; never says what it holds."""


class Secret(msgspec.Struct, frozen=True):
    """Where a secret is kept: in the configuration, or in the file at `path`."""

    text: SecretStr | None = None
    path: Path | None = None


class SecretReader:
    """The current value of one secret; a file that turns bad keeps the last good value."""

    def __init__(self, secret: Secret) -> None:
        """Read the secret; raise SecretError when there is no usable value to start with."""
        self._path = secret.path
        self._problem: str | None = None
        self._signature: Signature | None = None
        if secret.path is None:
            self._value = check_secret(secret.text.get_secret_value() if secret.text else "")
        else:
            self._value, self._signature = read_secret_file(secret.path)

    @property
    def problem(self) -> str | None:
        """What is wrong with the file now, without its content; None while all is well."""
        return self._problem

    def current(self) -> str:
        """Return the value, read again if the file's inode, size or times changed: one `stat` when they did not."""
        if self._path is not None and (self._signature is None or signature_at(self._path) != self._signature):
            self._read(self._path)
        return self._value

    def reread(self) -> str:
        """Return the value, read again whatever `stat` says: for when the API has just refused it."""
        if self._path is not None:
            self._read(self._path)
        return self._value

    def _read(self, path: Path) -> None:
        try:
            self._value, self._signature = read_secret_file(path)
        except SecretError as error:
            self._problem, self._signature = str(error), None
        else:
            self._problem = None


def check_secret(text: str) -> str:
    """Return the secret itself, or raise SecretError when it is empty or more than one printable line."""
    if not text.strip():
        raise SecretError("is empty")
    if not text.isprintable():
        raise SecretError("must be a single line of printable characters")
    return text


def read_secret_file(path: Path) -> tuple[str, Signature]:
    """Return the secret in the file, less one final newline, and the signature of the file's state."""
    text, signature = read_text_file(path)
    return check_secret(text.removesuffix("\n").removesuffix("\r")), signature


def read_text_file(path: Path, longest_bytes: int = _LONGEST_BYTES) -> tuple[str, Signature]:
    """Return what a file holds, and the signature of its state before; raise SecretError."""
    try:
        # Non-blocking, so that a pipe nobody writes to cannot hold up the caller.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise SecretError("is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(longest_bytes + 1)
    except OSError as error:
        raise SecretError(f"cannot be read: {error.strerror}") from None
    if len(content) > longest_bytes:
        raise SecretError(f"is longer than {longest_bytes // 1024} KiB")
    try:
        return content.decode(), _signature(status)
    except UnicodeDecodeError:
        raise SecretError("is not UTF-8 text") from None


def signature_at(path: Path) -> Signature | None:
    """Return the signature of the file that is at a path now; None when there is none."""
    try:
        return _signature(path.stat())
    except OSError:
        return None


def _signature(status: os.stat_result) -> Signature:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

"""Whose account the credentials of a relayed request are."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from exporter.config import Account
from exporter.intake.relay.credentials import owner
from exporter.intake.relay.lines import Line

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNTS: list[dict[str, object]] = [
    {"name": "key", "auth": {"method": "header", "api_key": "key-1"}},
    {"name": "password", "auth": {"method": "key_as_password", "api_key": "key-2"}},
    {"name": "basic", "auth": {"method": "basic", "username": "юзер", "password": "p:ä"}},
    {"name": "again", "auth": {"method": "header", "api_key": "key-2"}},
]


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


async def found(headers: list[tuple[str, str]], accounts: list[dict[str, object]] = ACCOUNTS) -> str | None:
    lines = [Line(Account.model_validate(each)) for each in accounts]
    try:
        line = owner(CIMultiDict(headers), lines)
    finally:
        for each in lines:
            await each.close()
    return None if line is None else line.name


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([("X-Authorization-Key", "key-1")], "key"),
        ([("Authorization", basic("@:key-1"))], "key"),
        ([("X-Authorization-Key", "key-2")], "password"),
        ([("authorization", basic("@:key-2"))], "password"),
        ([("Authorization", basic("юзер:p:ä"))], "basic"),
        ([("Authorization", basic("юзер:p:ä").replace("Basic ", "bAsIc  "))], "basic"),
        ([("Authorization", basic("@:key-1")), ("X-Authorization-Key", "key-1")], "key"),
        ([("X-Authorization-Key", "key-1"), ("Accept", "*/*")], "key"),
    ],
)
async def test_all_three_ways_to_authenticate_are_recognised(headers: list[tuple[str, str]], name: str) -> None:
    assert await found(headers) == name


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Accept", "key-1")],
        [("X-Authorization-Key", "")],
        [("X-Authorization-Key", "key-")],
        [("X-Authorization-Key", "key-11")],
        [("X-Authorization-Key", "KEY-1")],
        [("X-Authorization-Key", "\udcff")],
        [("Authorization", "key-1")],
        [("Authorization", "Bearer key-1")],
        [("Authorization", basic("@:key-1").replace("Basic", "Bearer"))],
        [("Authorization", "Basic")],
        [("Authorization", "Basic ====")],
        [("Authorization", "Basic \udcff")],
        [("Authorization", basic(":key-1"))],
        [("Authorization", basic("юзер:p"))],
        [("Authorization", basic("@:key-1")), ("X-Authorization-Key", "key-2")],
        [("X-Authorization-Key", "key-1"), ("X-Authorization-Key", "wrong")],
        [("Authorization", "Bearer x"), ("X-Authorization-Key", "key-1")],
    ],
)
async def test_other_credentials_are_nobodys(headers: list[tuple[str, str]]) -> None:
    assert await found(headers) is None


async def test_a_secret_that_was_exchanged_is_recognised(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    line = Line(Account.model_validate({"name": "a", "auth": {"method": "header", "api_key_file": str(file)}}))
    file.write_text("newer")
    line.credentials.look(1.0)
    assert owner(CIMultiDict({"X-Authorization-Key": "newer"}), [line]) is line
    assert owner(CIMultiDict({"X-Authorization-Key": "old"}), [line]) is None
    await line.close()

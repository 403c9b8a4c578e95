"""Users and passwords as they come in an Authorization header."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.web.users import Users
from tests.certificates import HASH, PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST: Final = "p" * 72
HASHES: Final = {
    USER: SecretStr(HASH),
    "long": SecretStr(bcrypt.hashpw(LONGEST.encode(), bcrypt.gensalt(4)).decode()),
    "ünïcode": SecretStr(bcrypt.hashpw("pässwörd".encode(), bcrypt.gensalt(4)).decode()),
}


class Checks(ThreadPoolExecutor):
    """Counts what goes to a thread."""

    def __init__(self) -> None:
        super().__init__(1)
        self.count = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        self.count += 1
        return super().submit(fn, *args, **kwargs)


def basic(text: str, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (basic(f"{USER}:{PASSWORD}"), True),
        (basic(f"{USER}:{PASSWORD}", "basic"), True),
        (basic("ünïcode:pässwörd"), True),
        (basic(f"long:{LONGEST}"), True),
        (basic(f"long:{LONGEST}p"), False),
        (basic(f"{USER}:"), False),
        (basic(f"{USER}:{PASSWORD} "), False),
        (basic(f"{USER}:{PASSWORD}\x00"), False),
        (basic(f"nobody:{PASSWORD}"), False),
        (basic(f":{PASSWORD}"), False),
        (basic(USER), False),
        (basic(f"{USER}:{PASSWORD}", "Bearer"), False),
        (basic(f"{USER}:{PASSWORD}") + "=", False),
        ("Basic", False),
        ("Basic !!!", False),
        ("Basic /////w==", False),
        (PASSWORD, False),
        ("", False),
    ],
)
async def test_only_a_user_with_the_password_is_known(header: str, known: bool) -> None:  # noqa: FBT001
    assert await Users().knows(HASHES, header) is known


@given(st.text())
def test_no_header_whatever_gets_through_or_raises(text: str) -> None:
    assert asyncio.run(Users().knows(HASHES, text)) is False
    assert asyncio.run(Users().knows(HASHES, f"Basic {text}")) is False


async def test_a_password_that_was_right_is_not_worked_out_again() -> None:
    users, checks = Users(), Checks()
    asyncio.get_running_loop().set_default_executor(checks)
    answers = await asyncio.gather(*(users.knows(HASHES, basic(f"{USER}:{PASSWORD}")) for _ in range(20)))
    assert all(answers)
    assert checks.count == 1


async def test_a_wrong_password_is_worked_out_each_time_and_one_that_is_too_long_never() -> None:
    users, checks = Users(), Checks()
    asyncio.get_running_loop().set_default_executor(checks)
    assert await users.knows(HASHES, basic(f"{USER}:{PASSWORD}"))
    for _ in range(2):
        assert not await users.knows(HASHES, basic(f"{USER}:wrong"))
        assert not await users.knows(HASHES, basic("nobody:wrong"))
        assert not await users.knows(HASHES, basic("nobody:" + "x" * 73))
    assert checks.count == 5
    assert await users.knows(HASHES, basic(f"{USER}:{PASSWORD}")), "guesses do not make it forget"
    assert checks.count == 5


async def test_nobody_is_checked_who_has_gone() -> None:
    users, checks = Users(), Checks()
    asyncio.get_running_loop().set_default_executor(checks)
    assert not await users.knows(HASHES, basic(f"{USER}:{PASSWORD}"), lambda: True)
    assert checks.count == 0


async def test_a_password_is_forgotten_when_its_hash_changes() -> None:
    users = Users()
    assert await users.knows(HASHES, basic(f"{USER}:{PASSWORD}"))
    changed = HASHES | {USER: SecretStr(bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode())}
    assert not await users.knows(changed, basic(f"{USER}:{PASSWORD}"))
    assert await users.knows(changed, basic(f"{USER}:another"))

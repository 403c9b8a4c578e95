"""What the process does about its own limits."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from exporter.serving import allow_connections

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = resource.RLIMIT_NOFILE


@pytest.fixture(autouse=True)
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(FILES)
    yield before
    resource.setrlimit(FILES, before)


def test_as_many_files_may_be_open_as_ten_thousand_waiters_need_or_as_the_system_allows(
    limits: tuple[int, int],
) -> None:
    hard = limits[1]
    resource.setrlimit(FILES, (min(1024, hard), hard))
    allow_connections()
    soft = resource.getrlimit(FILES)[0]
    assert soft == (32_768 if hard == resource.RLIM_INFINITY else min(hard, 32_768))
    assert resource.getrlimit(FILES)[1] == hard


def test_a_higher_limit_stays(limits: tuple[int, int]) -> None:
    allow_connections()
    high = resource.getrlimit(FILES)
    allow_connections()
    assert resource.getrlimit(FILES) == high
    assert high[0] == resource.RLIM_INFINITY or high[0] >= limits[0]

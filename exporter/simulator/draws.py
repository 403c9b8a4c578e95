"""Random numbers that are a function of what they are for, so that the same seed always gives the same ones."""

from __future__ import annotations

import hashlib
import math
import struct
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS: Final = struct.Struct(">16I")
_RANGE: Final = 2**32
_NORMAL: Final = NormalDist()


class Draws:
    """An endless row of numbers, the same for the same parts whatever else happens meanwhile."""

    __slots__ = ("_numbers",)

    def __init__(self, *parts: object) -> None:
        self._numbers = _numbers("\x1f".join(map(str, parts)).encode())

    def uniform(self) -> float:
        """Return the next number, above 0 and below 1."""
        return next(self._numbers)

    def lognormal(self, median: float, sigma: float) -> float:
        """Return a number from the log-normal distribution."""
        return median * math.exp(sigma * _NORMAL.inv_cdf(self.uniform()))


def chance(*parts: object) -> float:
    """Return the first number that belongs to these parts."""
    return Draws(*parts).uniform()


def _numbers(key: bytes) -> Iterator[float]:
    block = 0
    while True:
        digest = hashlib.blake2b(key, salt=block.to_bytes(16, "big")).digest()
        for word in _WORDS.unpack(digest):
            yield (word + 0.5) / _RANGE
        block += 1

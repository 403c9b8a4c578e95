"""How many calls an account may make now: rate and burst, slow-down after 429, pause after 401 and 403."""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

from exporter.schedule import MAX_RETRY_SECONDS, MIN_GAP_SECONDS

_SLOWEST: Final = 1 / 32
_SLOW_DOWN: Final = 0.5
_RECOVERY_SECONDS: Final = 60.0
_LONGEST_RETRY_AFTER_SECONDS: Final = 3_600.0
_FIRST_GUESS_SECONDS: Final = 0.03
_MIN_AIM_SECONDS: Final = 0.05
_MAX_AIM_SECONDS: Final = 1.0


class Pause(enum.Enum):
    """Why an account makes no calls; the label of `smsbat_exporter_account_paused`."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    STORE = "store"


_REFUSALS: Final = {401: Pause.UNAUTHORIZED, 403: Pause.FORBIDDEN}


class Limits(msgspec.Struct, frozen=True):
    """What the configuration allows an account."""

    requests_per_second: float
    burst: float
    max_concurrency: int


class AnswerTime:
    """How long answers take: mean and mean deviation, followed as in RFC 6298, with gains that waver less."""

    __slots__ = ("_deviation", "_mean", "_new")

    def __init__(self) -> None:
        """Start with a guess."""
        self._mean = self._deviation = _FIRST_GUESS_SECONDS / 2
        self._new = True

    def observe(self, seconds: float) -> None:
        """Learn from one answer."""
        if self._new:
            self._mean, self._deviation, self._new = seconds, seconds / 2, False
            return
        self._deviation += (abs(seconds - self._mean) - self._deviation) / 32
        self._mean += (seconds - self._mean) / 32

    @property
    def aim_seconds(self) -> float:
        """How early a poll starts for its answer to arrive in time: what nearly all answers take."""
        return min(max(self._mean + 4.5 * self._deviation, _MIN_AIM_SECONDS), _MAX_AIM_SECONDS)


class Budget:
    """A token bucket that also knows why it is closed; times are Unix seconds, told by the caller."""

    def __init__(self, limits: Limits, now: float) -> None:
        """Start with a full bucket."""
        self.limits = limits
        self.answers = AnswerTime()
        self.active = 0
        self.store_failed = False
        self.refused: Pause | None = None
        self._tokens = limits.burst
        self._filled_at = now
        self._factor = 1.0
        self._slowed_at = 0.0
        self._closed_until = 0.0
        self._refusals = 0
        self._careful_at = 0.0
        self._call_seconds = 0.0
        """How long calls take on average, also those that no answer ends: each takes a place meanwhile."""

    @property
    def per_second(self) -> float:
        """Calls a second that the account can make while it is not paused."""
        rate = self.limits.requests_per_second * self._factor
        return min(rate, self.limits.max_concurrency / max(self._call_seconds, 1e-4))

    def paused(self, now: float) -> tuple[Pause, ...]:
        """Return why no ordinary call may start now; empty when one may."""
        closed = (Pause.RATE_LIMITED,) if now < self._closed_until else ()
        refused = () if self.refused is None else (self.refused,)
        return refused + closed + ((Pause.STORE,) if self.store_failed else ())

    def ready_at(self, now: float, *, spare: bool) -> float:
        """Return when the next call may start, infinity when only another's end can tell.

        `spare` asks for a call that can wait: it leaves half of the burst and a tenth of the concurrency to
        those that are due at a moment of their own.
        """
        limits = self.limits
        if self.store_failed or self.active >= limits.max_concurrency:
            return math.inf
        if self.refused is not None and self.active:
            return math.inf
        if spare and limits.max_concurrency > 1 and self.active >= limits.max_concurrency - self._kept_calls():
            return math.inf
        self._fill(now)
        missing = (1.0 + (int(limits.burst) // 2 if spare else 0.0)) - self._tokens
        rate = limits.requests_per_second * self._factor
        opens_at = self._closed_until if self.refused is None else max(self._careful_at, self._closed_until)
        return max(now + missing / rate if missing > 0 else now, opens_at)

    def _kept_calls(self) -> int:
        return max(1, self.limits.max_concurrency // 10)

    def _fill(self, now: float) -> None:
        if now == self._filled_at:
            return
        elapsed = max(0.0, now - self._filled_at)
        self._filled_at = now
        if self._factor < 1.0:
            self._factor = min(1.0, self._factor + elapsed / _RECOVERY_SECONDS)
        rate = self.limits.requests_per_second * self._factor
        self._tokens = min(self.limits.burst, self._tokens + elapsed * rate)

    def start(self, now: float) -> None:
        """Book one call."""
        self._fill(now)
        self._tokens -= 1.0
        self.active += 1

    def finish(self, started_at: float, now: float, code: int | None, retry_after_seconds: float | None) -> None:
        """Learn from one call's end; `code` is None when no answer came."""
        self.active -= 1
        self._call_seconds += (now - started_at - self._call_seconds) / (16 if self._call_seconds else 1)
        if code is not None:
            self.answers.observe(now - started_at)
        if code == 429:
            self._slow_down(started_at, now, retry_after_seconds)
        if code in _REFUSALS:
            self._refuse(started_at, now, _REFUSALS[code])
        elif self.refused is not None and started_at >= self._careful_at:
            if code is not None and code < 500 and code != 429:
                self.resume()
            else:
                self._be_careful(now)

    def _refuse(self, started_at: float, now: float, why: Pause) -> None:
        """Pause; calls that were already under way when the pause began say nothing new."""
        if self.refused is None or started_at >= self._careful_at:
            self.refused = why
            self._be_careful(now)

    def _be_careful(self, now: float) -> None:
        self._refusals += 1
        self._careful_at = now + min(MAX_RETRY_SECONDS, MIN_GAP_SECONDS * 2.0 ** min(self._refusals - 1, 10))

    def resume(self) -> None:
        """End a pause for refused credentials: a call was understood, or the secret is another one."""
        self.refused = None
        self._refusals = 0

    def _slow_down(self, started_at: float, now: float, retry_after_seconds: float | None) -> None:
        """Halve the rate once a pause; several calls in flight meet the same 429."""
        wait = MIN_GAP_SECONDS if retry_after_seconds is None else retry_after_seconds
        wait = min(max(wait, MIN_GAP_SECONDS), _LONGEST_RETRY_AFTER_SECONDS)
        if started_at >= self._slowed_at:
            self._factor = max(_SLOWEST, self._factor * _SLOW_DOWN)
            self._slowed_at = now
            self._closed_until = now + wait
        elif retry_after_seconds is not None:
            self._closed_until = max(self._closed_until, now + wait)
        self._tokens = min(self._tokens, 0.0)

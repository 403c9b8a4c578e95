"""Which status calls go wrong, and how: faults that can be switched while the API runs."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from exporter.simulator.draws import chance


class FaultKind(enum.Enum):
    """What goes wrong with a call."""

    SLOW = "slow"
    """The usual answer, late."""
    HANG = "hang"
    """No answer, and the connection stays open."""
    RESET = "reset"
    """The connection drops without an answer."""
    CUT = "cut"
    """The connection drops in the middle of an answer."""
    STATUS = "status"
    """An HTTP status instead of an answer: 5xx, 401, 403, 429, 204, 302."""
    HTML = "html"
    """200 with a page of HTML."""
    TRUNCATED = "truncated"
    """200 with half of the JSON."""
    HUGE = "huge"
    """200 with a body of `size_bytes`."""
    BAD_UTF8 = "bad_utf8"
    """A status that is no text."""
    WRONG_ID = "wrong_id"
    """The answer of another message."""
    NAN = "nan"
    """A cost that is no number."""


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that goes wrong with the calls that it matches."""

    kind: FaultKind
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Of the matching calls; which ones is a function of seed, message id and the number of the call about it."""
    account: str | None = None
    message_id: str | None = None
    skip_calls: int = 0
    """So many matching calls go well first: a key that is revoked after a while."""
    max_calls: int | None = None
    """The fault is over after so many calls went wrong; None: never."""
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 503
    """Of kind `status`."""
    location: str | None = None
    """Of kind `status`: where a redirect points."""
    retry_after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Of kind `status`: seconds until the caller may come back; None: no such header."""
    retry_after_as: Literal["seconds", "date"] = "seconds"
    delay_seconds: float = 1.0
    """Of kind `slow`, in real time."""
    size_bytes: int = 100 * 1024 * 1024
    """Of kind `huge`."""


class _Armed:
    """A fault and how often it matched and struck."""

    __slots__ = ("fault", "matched", "struck")

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.matched = 0
        self.struck = 0


class Faults:
    """The faults that are on; the first one that strikes a call wins."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    @property
    def active(self) -> tuple[Fault, ...]:
        """The faults that are on, first one first."""
        return tuple(armed.fault for armed in self._armed)

    def set(self, *faults: Fault) -> None:
        """Turn on these faults and no others."""
        self._armed = [_Armed(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Turn on one more."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Turn all faults off."""
        self._armed = []

    def striking(self, account: str, message_id: str, call: int) -> Fault | None:
        """Return what goes wrong with the call-th call about a message, or None."""
        return next((armed.fault for armed in self._armed if self._strikes(armed, account, message_id, call)), None)

    def _strikes(self, armed: _Armed, account: str, message_id: str, call: int) -> bool:
        fault = armed.fault
        if fault.account not in (None, account) or fault.message_id not in (None, message_id):
            return False
        armed.matched += 1
        if armed.matched <= fault.skip_calls or (fault.max_calls is not None and armed.struck >= fault.max_calls):
            return False
        if fault.share < 1.0 and chance(self._seed, "fault", fault.kind.value, message_id, call) >= fault.share:
            return False
        armed.struck += 1
        return True

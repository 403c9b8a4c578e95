"""Which label values the world may bring: known or configured ones, capped, everything else is `other`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from exporter.message import CHANNELS, Labels

OTHER: Final = "other"
UNKNOWN_CHANNEL: Final = "unknown"
IDLE_SECONDS: Final = 30 * 86_400.0
"""A label set that saw nothing for this long is hidden, and makes room."""
_MAX_CURRENCIES: Final = 8
_MAX_VALUE: Final = 128
_PLAIN: Final = frozenset({"", OTHER})
_KINDS: Final = frozenset({*CHANNELS, "viber", "email", OTHER})
WAY_STATUSES: Final = ("scheduled", "processing", "delivered", "undeliverable", "permanenterror", "not_used")
"""The statuses of a fallback or a channel of an extended answer that have a label value of their own."""

LabelSet = tuple[str, ...]
"""Account, channel and the configured labels' values in the order of their names."""


class LabelLimits(msgspec.Struct, frozen=True):
    """What the configuration says about labels."""

    max_values: Mapping[str, int]
    """The configured labels, and how many values each may have at a time."""
    max_sets: int
    channels: frozenset[str]
    """Channels besides SMSBat's own that may be label values."""


class Words(msgspec.Struct, frozen=True):
    """The words that the world brings, as label values: known or configured ones, or `other`."""

    channels: frozenset[str]
    """Channels besides SMSBat's own."""

    def channel(self, word: str | None) -> str:
        """Return the channel as a label value."""
        if not word:
            return UNKNOWN_CHANNEL
        plain = word.strip().lower()
        known = plain in CHANNELS or plain in self.channels or plain in {OTHER, UNKNOWN_CHANNEL}
        return plain if known else OTHER

    def kind(self, word: str) -> str:
        """Return the channel of a fallback or an extended status as a label value."""
        return word if word in _KINDS or word in self.channels or word == UNKNOWN_CHANNEL else OTHER

    def status(self, word: str) -> str:
        """Return the status of a fallback or a channel as a label value."""
        return word if word in WAY_STATUSES else OTHER


class LabelRules:
    """Keeps the sets of labels in use, and says which one a message belongs to."""

    def __init__(self, limits: LabelLimits) -> None:
        """Start with no set in use."""
        self.overflowed: dict[str, int] = {}
        self.ignored = 0
        self.follow(limits)

    def follow(self, limits: LabelLimits) -> None:
        """Start over with other limits, and with no set in use."""
        self.limits = limits
        self.words = Words(limits.channels)
        self.names = tuple(sorted(limits.max_values))
        self._none = ("",) * len(self.names)
        self.overflowed = {name: self.overflowed.get(name, 0) for name in self.names}
        self._sets: dict[LabelSet, float] = {}
        self._combinations = 0
        """How many sets somebody's values made; the empty and the overflowing one of a channel take no room."""
        self._pairs: dict[LabelSet, float] = {}
        self._values: dict[str, dict[str, float]] = {name: {} for name in self.names}
        self._currencies: dict[str, None] = {}

    def currency(self, code: str | None) -> str:
        """Return a currency as a label value: the first eight have their own."""
        if code is None or code == OTHER:
            return OTHER
        if code not in self._currencies:
            if len(self._currencies) >= _MAX_CURRENCIES:
                return OTHER
            self._currencies[code] = None
        return code

    def admit(self, account: str, channel: str, given: Mapping[str, str], now: float) -> Labels:
        """Return the labels that a new message of this account and (label) channel counts under."""
        values = self._given(account, channel, given, now) if given else self._none
        labels = (account, channel, *values)
        # The messages of a request come in the same moment, and most have the same labels.
        if self._sets.get(labels) != now:
            self.touch(labels, now)
        return tuple(zip(self.names, values, strict=True)) if values else ()

    def _given(self, account: str, channel: str, given: Mapping[str, str], now: float) -> tuple[str, ...]:
        self.ignored += sum([name not in self._values for name in given])
        values = tuple([self._value(name, given.get(name, ""), now) for name in self.names])
        if any(values) and not self._has_room((account, channel, *values), now):
            return tuple(self._overflow(name) for name in self.names)
        return values

    def _value(self, name: str, value: str, now: float) -> str:
        if not value or value == OTHER:
            return value
        if len(value) > _MAX_VALUE or not value.isprintable():
            return self._overflow(name)
        used = self._values[name]
        if value not in used and len(used) >= self.limits.max_values[name]:
            _forget_idle(used, now)
            if len(used) >= self.limits.max_values[name]:
                return self._overflow(name)
        used[value] = now
        return value

    def _overflow(self, name: str) -> str:
        self.overflowed[name] += 1
        return OTHER

    def _has_room(self, labels: LabelSet, now: float) -> bool:
        if labels in self._sets or self._combinations < self.limits.max_sets:
            return True
        _forget_idle(self._sets, now)
        self._combinations = sum(map(_is_combination, self._sets))
        return self._combinations < self.limits.max_sets

    def touch(self, labels: LabelSet, at: float) -> None:
        """Note when a set, or only an account and a channel, was in use."""
        pair = labels[:2]
        self._pairs[pair] = max(at, self._pairs.get(pair, 0.0))
        if len(labels) == 2 + len(self.names):
            self._combinations += labels not in self._sets and _is_combination(labels)
            self._sets[labels] = max(at, self._sets.get(labels, 0.0))
            for name, value in zip(self.names, labels[2:], strict=True):
                if value and value != OTHER:
                    self._values[name][value] = max(at, self._values[name].get(value, 0.0))

    def idle(self, labels: LabelSet, now: float) -> bool:
        """Whether nothing happened for long to a set, or to an account and a channel."""
        used_at = (self._pairs if len(labels) == 2 else self._sets).get(labels, 0.0)
        return now - used_at > IDLE_SECONDS


def _is_combination(labels: LabelSet) -> bool:
    return not _PLAIN.issuperset(labels[2:])


_K = TypeVar("_K")


def _forget_idle(used: dict[_K, float], now: float) -> None:
    for key in [key for key, at in used.items() if now - at > IDLE_SECONDS]:
        del used[key]

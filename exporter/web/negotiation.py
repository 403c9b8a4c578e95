"""Chooses the format and the encoding of an answer from what the client's headers accept."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_QUALITY: Final = re.compile(r"0?\.[0-9]+|0\.?|1(\.0*)?", re.ASCII)
_GZIP: Final = frozenset({"gzip", "x-gzip"})


class Format(enum.Enum):
    """What /metrics can answer; the value is the content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_VERSIONS: Final[Mapping[Format, tuple[str, str]]] = {
    Format.TEXT: ("text/plain", "0.0.4"),
    Format.OPENMETRICS: ("application/openmetrics-text", "1.0.0"),
}


class _Item(msgspec.Struct, frozen=True):
    """One entry of an Accept or Accept-Encoding header."""

    value: str
    version: str | None
    quality: float
    position: int


class _Preference(msgspec.Struct, frozen=True, order=True):
    """How much a client wants a format; of equal qualities the one listed first wins."""

    quality: float
    listed_early: int


def metrics_format(accept: str) -> Format:
    """Choose the format that an Accept header asks for; text when it asks for none, or for none that we have.

    The most specific range that names a format gives its quality (RFC 9110, section 12.5.1). Other versions
    than ours do not match. `escaping` and `charset` change nothing: our names need no escaping and both
    formats are UTF-8.
    """
    items = list(_items(accept))
    openmetrics = _preference(Format.OPENMETRICS, items)
    text = _preference(Format.TEXT, items)
    if openmetrics is None or openmetrics.quality == 0:
        return Format.TEXT
    return Format.OPENMETRICS if text is None or openmetrics > text else Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether gzip is acceptable and wanted at least as much as no encoding."""
    qualities: dict[str, float] = {}
    for item in _items(accept_encoding):
        name = "gzip" if item.value in _GZIP else item.value
        qualities[name] = max(item.quality, qualities.get(name, 0))
    gzip = qualities.get("gzip", qualities.get("*", 0))
    return gzip > 0 and gzip >= qualities.get("identity", 0)


def _preference(wanted: Format, items: list[_Item]) -> _Preference | None:
    ranked = [
        (specificity, _Preference(item.quality, -item.position))
        for item in items
        if (specificity := _specificity(wanted, item)) is not None
    ]
    return max(ranked)[1] if ranked else None


def _specificity(wanted: Format, item: _Item) -> int | None:
    """Tell how precisely an item names a format; None when it names another."""
    media_type, version = _VERSIONS[wanted]
    if item.value == media_type:
        return {version: 3, None: 2}.get(item.version)
    return {media_type.partition("/")[0] + "/*": 1, "*/*": 0}.get(item.value)


def _items(header: str) -> Iterator[_Item]:
    """Split a header into its entries, lower-case; one whose quality is no number between 0 and 1 is left out."""
    for position, entry in enumerate(header.split(",")):
        value, *rest = entry.split(";")
        parameters = {name.strip().lower(): text.strip(' \t"') for name, _, text in (p.partition("=") for p in rest)}
        quality = parameters.get("q", "1")
        if _QUALITY.fullmatch(quality):
            yield _Item(value.strip().lower(), parameters.get("version"), float(quality), position)

"""Points in time as RFC 3339 writes them, to Unix seconds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_timestamp(text: str) -> float:
    """Return the Unix seconds of `2026-01-23T10:30:00Z`; raise ValueError for anything else, or without an offset."""
    if _RFC_3339.fullmatch(text) is None:
        raise ValueError("must be a time with its offset, such as 2026-01-23T10:30:00Z or 2026-01-23T12:30:00+02:00")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except ValueError:
        raise ValueError("must be a time that exists") from None

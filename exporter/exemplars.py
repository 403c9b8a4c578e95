"""For each bucket of a histogram the last sampled message that fell into it: from a bad bucket to a trace."""

from __future__ import annotations

from typing import NamedTuple

from exporter.trace_ids import TraceIds


class Exemplar(NamedTuple):
    """One observation and its span; `at` is Unix seconds."""

    ids: TraceIds
    value: float
    at: float


Exemplars = dict[int, Exemplar]
"""By the place of the bucket; in memory only: a restart begins without."""

"""What the demo says: where to look at the start, and then how it goes."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final

from exporter import catalogue as metrics
from exporter.demo.setting import API_KEY
from exporter.message import Outcome
from exporter.totals import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from exporter.catalogue import Metric
    from exporter.totals import Key, Value

_WIDTH: Final = 118
_INTRODUCTION: Final = """\
The exporter, polling a simulated SMSBat API about a steady flow of messages. It calls nothing outside this machine.

  metrics      {url}/metrics
  health       {url}/-/healthy
  status page  {url}/
  API          {api_url}/api/v1/messages
  relay        {api_url}/bat/messagelist (send with X-Authorization-Key: {API_KEY})
{apis}

Watch, with curl -s {url}/metrics | grep NAME:
  smsbat_messages_finished_total           every message, once, by how it ended
  smsbat_time_to_delivery                  two histograms: the latest and the earliest that each was delivered
  smsbat_exporter_polls_total              the calls, some of which fail on purpose
A new series shows 0 for 5 s first (zero_hold), so that increase() sees its first message.

Within two minutes every metric moves but these:
{still}
and these label values:
{still_values}

Ctrl-C ends it.
"""

STILL: Final = (
    ("always the same", (metrics.BUILD_INFO, metrics.MAX_IN_FLIGHT, metrics.OBJECTIVE_TARGET)),
    ("no API is away for a minute", (metrics.API_UP,)),
    ("no account is removed", (metrics.PARKED,)),
    ("a store in memory does not fail", (metrics.STORE_UP, metrics.STORE_ERRORS)),
    ("only you send through the relay", (metrics.RELAY_REQUESTS, metrics.RELAY_UNTRACKED)),
    ("nothing is reloaded; kill -HUP does it", (metrics.RELOAD_OK, metrics.RELOAD_AT)),
)
"""Why, and what does not move while the demo runs; from a comparison of scrapes two minutes apart."""
_NO_SUCH_ANSWER: Final = (
    *("conflicting_final_status", "negative_cost", "not_an_answer", "out_of_range"),
    *("status_regression", "too_large", "webhook_time", "wrong_type"),
)
STILL_VALUES: Final = (
    ("takes a day of silence", metrics.FINISHED, "outcome unobserved"),
    ("nobody said how many", metrics.PARTS, "outcome not_found, unobserved"),
    ("what fails costs 0.00; likewise the rate and bill amounts", metrics.COST, "outcome other than delivered"),
    ("who says delivered says which way; likewise the lower bound", metrics.DELIVERY_TIME, "fallback unknown"),
    ("every message ends sooner", metrics.OLDER_THAN, "age 5m, 1h, 6h, 1d"),
    ("the simulated API and the store do neither", metrics.PAUSED, "reason forbidden, store"),
    ("no simulated answer is like that", metrics.ANOMALIES, f"kind {', '.join(_NO_SUCH_ANSWER)}"),
    (
        "no simulated webhook is like that",
        metrics.WEBHOOKS,
        "result contradicted, rejected, unauthorized",
    ),
    ("the demo hands in as an application does", metrics.INTAKE, "source config, file, relay"),
)
"""Why, which metric, and the values of its labels under which it does not move."""
_DELIVERED: Final = Outcome.DELIVERED.value
_FAILED: Final = (Outcome.UNDELIVERABLE.value, Outcome.PERMANENTERROR.value)
_TIMEOUT: Final = Outcome.TIMEOUT.value
_NOT_FOUND: Final = Outcome.NOT_FOUND.value


def introduction(url: str, api_url: str, apis: Mapping[str, str]) -> str:
    """Return what runs, where to look, what moves, what does not, and how to stop it."""
    return _INTRODUCTION.format(
        url=url,
        api_url=api_url,
        API_KEY=API_KEY,
        apis="\n".join(
            f"  SMSBat API   {api} (simulated, account {name}; /_control/ledger has the truth)"
            for name, api in apis.items()
        ),
        still=_listed(f"{', '.join(metric.name for metric in still)}: {why}" for why, still in STILL),
        still_values=_listed(f"{metric.name} {values}: {why}" for why, metric, values in STILL_VALUES),
    )


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(textwrap.fill(line, _WIDTH, initial_indent="  ", subsequent_indent="    ") for line in lines)


def status_line(age_seconds: float, totals: Mapping[Key, Value], in_flight: int, polls: int) -> str:
    """Return one line; its totals are committed ones, which /metrics shows after `zero_hold` at the latest."""
    accepted = sum(_by_label(totals, metrics.ACCEPTED, 0).values())
    abandoned = sum(_by_label(totals, metrics.ABANDONED, 0).values())
    ended = _by_label(totals, metrics.FINISHED, -2)
    failed = sum(ended[outcome] for outcome in _FAILED)
    return (
        f"{age_seconds:4.0f} s: accepted {accepted}: {in_flight} in flight, {ended[_DELIVERED]} delivered,"
        f" {failed} failed, {ended[_TIMEOUT]} timeout, {ended[_NOT_FOUND]} not found, {abandoned} abandoned;"
        f" {_median(totals)}; {polls / max(accepted, 1):.1f} polls each"
    )


def _by_label(totals: Mapping[Key, Value], wanted: Metric, place: int) -> Counter[str]:
    """Return the sums of a counter by the label at a place."""
    sums: Counter[str] = Counter()
    for (metric, labels), value in totals.items():
        if metric is wanted and isinstance(value, int):
            sums[labels[place]] += value
    return sums


def _median(totals: Mapping[Key, Value]) -> str:
    """Return the band that the median time to delivery lies in for certain."""
    earliest = _histograms(totals, metrics.DELIVERY_TIME_LOWER)
    latest = _histograms(totals, metrics.DELIVERY_TIME)
    if not any(count for histogram in latest for count in histogram.counts):
        return "none delivered yet"
    return f"median {_bucket(earliest)[0]:g} to {_bucket(latest)[1]:g} s"


def _histograms(totals: Mapping[Key, Value], wanted: Metric) -> list[Histogram]:
    return [value for (metric, _), value in totals.items() if metric is wanted and isinstance(value, Histogram)]


def _bucket(histograms: Iterable[Histogram]) -> tuple[float, float]:
    """Return both ends of the bucket that holds the median of all observations."""
    counts: Counter[float] = Counter()
    for histogram in histograms:
        counts.update(dict(zip((*histogram.edges, float("inf")), histogram.counts, strict=True)))
    half, below, low = counts.total() / 2, 0.0, 0.0
    for edge in sorted(counts):
        below += counts[edge]
        if below >= half:
            return low, edge
        low = edge
    return low, float("inf")

"""The lower half of the Exporter dashboard: what comes in, the store, oddities, traces, and the process."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.models.dashboard import Panel

from exporter import catalogue as metrics
from grafana.source.measures import A_MINUTE, half_and_99
from grafana.source.page import Section
from grafana.source.panels import MINUTE, Says, lines
from grafana.source.queries import PROCESS, STEP, Query, a_minute, rate, seen


def sections() -> Iterator[Section]:
    """Yield them."""
    yield Section("What comes in", [(8, [(8, _intake()), (8, _webhooks()), (8, _relay())])])
    store = (8, [(8, _commits()), (8, _errors()), (8, _anomalies())])
    yield Section("Store, oddities and traces", [store, (7, [(12, _overflow()), (12, _spans())])])
    yield Section("Process", [(7, [(6, _cpu()), (6, _memory()), (6, _files()), (6, _restarts())])])


def _intake() -> Panel:
    says = Says(
        "Messages offered",
        "What was handed in for tracking, by where from and what became of it.",
        A_MINUTE,
        empty="Nothing",
    )
    query = seen(a_minute(rate(metrics.INTAKE, by=("source", "result"))))
    return lines(says, Query(query, "{{source}}, {{result}}"), step=MINUTE)


def _webhooks() -> Panel:
    says = Says(
        "Webhooks",
        "Webhooks by what they came to, and messages that a poll found final without one coming within a minute.",
        A_MINUTE,
        empty="No account takes webhooks",
    )
    return lines(
        says,
        Query(a_minute(rate(metrics.WEBHOOKS, by=("result",))), "{{result}}"),
        Query(a_minute(rate(metrics.WEBHOOKS_MISSED)), "missed"),
        step=MINUTE,
        colours={"missed": "red"},
    )


def _relay() -> Panel:
    says = Says(
        "Relay",
        "Requests to the relay by the code that they were answered, and messages sent through it that are not tracked.",
        A_MINUTE,
        empty="The relay is off or unused",
    )
    return lines(
        says,
        Query(a_minute(rate(metrics.RELAY_REQUESTS, by=("code",))), "{{code}}"),
        Query(a_minute(rate(metrics.RELAY_UNTRACKED)), "untracked messages"),
        step=MINUTE,
        colours={"untracked messages": "red"},
    )


def _commits() -> Panel:
    says = Says("Commits", "How long the store takes to make a group of changes durable, half and 99 %.", "s")
    return lines(says, *half_and_99(metrics.STORE_COMMIT, ()), step=MINUTE)


def _errors() -> Panel:
    says = Says("Store errors", "Calls to the store that failed; they are repeated until they succeed.", A_MINUTE)
    return lines(says, Query(a_minute(rate(metrics.STORE_ERRORS, by=("instance",))), "{{instance}}"))


def _anomalies() -> Panel:
    says = Says("Anomalies", "What SMSBat or a caller should not do, and did, by kind.", A_MINUTE, empty="None")
    query = seen(a_minute(rate(metrics.ANOMALIES, by=("kind",))))
    return lines(says, Query(query, "{{kind}}"), stacked=True, step=MINUTE)


def _overflow() -> Panel:
    says = Says(
        "Labels that did not fit",
        "Label values that became `other` because there are too many, and labels that are not configured.",
        A_MINUTE,
        empty="Every label fitted",
    )
    return lines(
        says,
        Query(a_minute(rate(metrics.LABEL_OVERFLOW, by=("label",))), "{{label}} became other"),
        Query(a_minute(rate(metrics.LABELS_IGNORED)), "not configured"),
        step=MINUTE,
    )


def _spans() -> Panel:
    says = Says("Spans", "Spans of traces, by what became of them; dropped ones found the queue full.", A_MINUTE)
    return lines(says, Query(a_minute(rate(metrics.SPANS, by=("result",))), "{{result}}"), step=MINUTE)


def _cpu() -> Panel:
    says = Says("CPU", "Processor time each exporter takes; it has little use for a second core.", "suffix:cores")
    query = f"sum by (instance) (rate(process_cpu_seconds_total{{{PROCESS}}}[{STEP}]))"
    return lines(says, Query(query, "{{instance}}"))


def _memory() -> Panel:
    says = Says("Memory", "Memory that each exporter has resident.", "bytes")
    return lines(says, Query(f"process_resident_memory_bytes{{{PROCESS}}}", "{{instance}}"))


def _files() -> Panel:
    says = Says("Open files", "Files and connections that each exporter has open, of as many as it may.", "percentunit")
    query = f"process_open_fds{{{PROCESS}}} / process_max_fds{{{PROCESS}}}"
    return lines(says, Query(query, "{{instance}}"))


def _restarts() -> Panel:
    about = "Time since each exporter started: a drop is a restart, which loses and doubles nothing."
    says = Says("Running for", about, "s")
    return lines(says, Query(f"time() - process_start_time_seconds{{{PROCESS}}}", "{{instance}}"))

"""Every metric by name: its type, its help and its labels, as the contract lists them."""

from __future__ import annotations

import enum
from typing import Final

import msgspec


class Kind(enum.Enum):
    """The type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Spread(enum.Enum):
    """Which of a message's labels a metric carries in front of its own."""

    NONE = ()
    A = ("account", "channel")
    L = ("account", "channel", "+")
    """Account, channel and the configured labels."""
    H = ("account", "channel", "?")
    """Account and channel, and the configured labels when `histogram_labels` is on."""


class Metric(msgspec.Struct, frozen=True, eq=False):
    """One metric, itself a key; counters carry `_total` in their name."""

    name: str
    kind: Kind
    help: str
    spread: Spread = Spread.NONE
    labels: tuple[str, ...] = ()
    stored: bool = False
    """Its totals outlive the process."""

    def label_names(self, configured: tuple[str, ...], *, on_histograms: bool) -> tuple[str, ...]:
        """Return all label names in their order, given the configured labels."""
        if self.spread is Spread.NONE:
            return self.labels
        with_configured = self.spread is Spread.L or (self.spread is Spread.H and on_histograms)
        return ("account", "channel", *(configured if with_configured else ()), *self.labels)

    def spread_of(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the values of the message's labels among all of them."""
        return values[: len(values) - len(self.labels)]


def _message(name: str, help_: str, spread: Spread = Spread.A, *labels: str) -> Metric:
    kind = Kind.HISTOGRAM if name.endswith("_seconds") else Kind.COUNTER
    return Metric(name, kind, help_, spread, labels, stored=True)


ACCEPTED: Final = _message("smsbat_messages_accepted_total", "Messages taken into tracking.", Spread.L)
STATUS: Final = _message(
    "smsbat_message_status_total", "Messages seen in a status, each once per status.", Spread.A, "status"
)
MATURED: Final = _message(
    "smsbat_messages_matured_total",
    "Messages that reached their mature age or ended before, by what they were then.",
    Spread.L,
    "result",
)
FINISHED: Final = _message(
    "smsbat_messages_finished_total", "Messages that ended, each once.", Spread.L, "outcome", "fallback"
)
ABANDONED: Final = _message(
    "smsbat_messages_abandoned_total",
    "Messages whose tracking was stopped before they ended, by a caller or the config.",
)
DELIVERY_TIME: Final = _message(
    "smsbat_time_to_delivery_seconds",
    "Time from sending to delivery, the latest it can have been.",
    Spread.H,
    "fallback",
)
DELIVERY_TIME_LOWER: Final = _message(
    "smsbat_time_to_delivery_lower_bound_seconds",
    "Time from sending to delivery, the earliest it can have been; its edges are 0.9 of the configured buckets.",
    Spread.H,
    "fallback",
)
FAILURE_TIME: Final = _message(
    "smsbat_time_to_failure_seconds", "Time from sending to undeliverable or permanenterror.", Spread.H
)
PARTS: Final = _message("smsbat_message_parts_total", "Parts of ended messages.", Spread.A, "outcome")
FALLBACKS: Final = _message("smsbat_fallback_total", "Fallback entries of ended messages.", Spread.A, "kind", "status")
CHANNEL_STATUS: Final = _message(
    "smsbat_channel_status_total",
    "Extended statuses of ended messages, by the channel they are of.",
    Spread.A,
    "via",
    "status",
)
COST: Final = _message("smsbat_cost_total", "Cost of ended messages.", Spread.L, "outcome", "currency")
RATE_AMOUNT: Final = _message(
    "smsbat_rate_amount_total", "Rate amount of ended messages.", Spread.A, "outcome", "currency"
)
BILL_AMOUNT: Final = _message(
    "smsbat_bill_amount_total", "Billed amount of ended messages.", Spread.A, "outcome", "currency"
)
OBJECTIVE_JUDGED: Final = Metric(
    "smsbat_objective_messages_total",
    Kind.COUNTER,
    "Messages judged by an objective, met or missed.",
    Spread.A,
    ("objective",),
    stored=True,
)
OBJECTIVE_MISSED: Final = Metric(
    "smsbat_objective_missed_total",
    Kind.COUNTER,
    "Messages that missed an objective.",
    Spread.A,
    ("objective",),
    stored=True,
)
OBJECTIVE_UNDECIDED: Final = Metric(
    "smsbat_objective_undecided_total",
    Kind.COUNTER,
    "Messages of an objective of which nobody can tell whether they met it.",
    Spread.A,
    ("objective",),
    stored=True,
)
ANOMALIES: Final = Metric(
    "smsbat_exporter_anomalies_total",
    Kind.COUNTER,
    "What should not happen, and did, by kind.",
    Spread.NONE,
    ("account", "kind"),
    stored=True,
)
INTAKE: Final = Metric(
    "smsbat_exporter_intake_total",
    Kind.COUNTER,
    "Messages offered for tracking, by where from and what became of them.",
    Spread.NONE,
    ("source", "result"),
    stored=True,
)

IN_FLIGHT: Final = Metric(
    "smsbat_messages_in_flight", Kind.GAUGE, "Messages tracked now, by status.", Spread.A, ("status",)
)
OLDER_THAN: Final = Metric(
    "smsbat_messages_in_flight_older_than",
    Kind.GAUGE,
    "Messages tracked now that were sent longer ago than an age.",
    Spread.A,
    ("age",),
)
FALLBACK_RATIO: Final = Metric(
    "smsbat_fallback_usage_ratio",
    Kind.GAUGE,
    "Share of messages with a fallback used, of those with one configured that ended in the window.",
    Spread.A,
)
DELIVERY_RATIO: Final = Metric(
    "smsbat_delivery_ratio",
    Kind.GAUGE,
    "Share of messages that were delivered, of those that matured in the window as delivered, failed or pending.",
    Spread.A,
)
COST_WINDOW: Final = Metric(
    "smsbat_cost_window", Kind.GAUGE, "Cost of messages that ended in the window.", Spread.A, ("currency",)
)
COST_PER_DELIVERED: Final = Metric(
    "smsbat_cost_per_delivered",
    Kind.GAUGE,
    "Cost of all messages that ended in the window, for each that was delivered in it.",
    Spread.A,
    ("currency",),
)
OBJECTIVE_TARGET: Final = Metric(
    "smsbat_objective_target_ratio",
    Kind.GAUGE,
    "Configured share of messages that shall meet the objective.",
    Spread.NONE,
    ("objective",),
)


def _own(name: str, kind: Kind, help_: str, *labels: str) -> Metric:
    return Metric(f"smsbat_exporter_{name}", kind, help_, Spread.NONE, labels)


BUILD_INFO: Final = _own("build_info", Kind.GAUGE, "What is running; always 1.", "version", "revision", "python")
API_UP: Final = _own(
    "api_up", Kind.GAUGE, "Whether SMSBat's API answered understandably when it was asked last.", "account"
)
PAUSED: Final = _own(
    "account_paused", Kind.GAUGE, "Whether an account makes no calls now, by why.", "account", "reason"
)
LAST_SUCCESS: Final = _own(
    "api_last_success_timestamp_seconds", Kind.GAUGE, "When SMSBat's API last answered understandably.", "account"
)
POLLS: Final = _own("polls_total", Kind.COUNTER, "Status calls that ended, by what they brought.", "account", "result")
POLL_DURATION: Final = _own(
    "poll_duration_seconds", Kind.HISTOGRAM, "Time from a status call's start to its answer's end.", "account"
)
POLL_LAG: Final = _own("poll_lag_seconds", Kind.HISTOGRAM, "How late polls start.", "account")
POLLS_DUE: Final = _own("polls_due", Kind.GAUGE, "Polls that are due and wait for budget.", "account")
BUDGET: Final = _own("request_budget", Kind.GAUGE, "Status calls a second allowed now.", "account")
DEMAND: Final = _own(
    "request_demand",
    Kind.GAUGE,
    "Status calls a second that the messages in flight ask for, unstretched.",
    "account",
)
MAX_IN_FLIGHT: Final = _own("max_in_flight", Kind.GAUGE, "Configured limit of messages in flight.")
PARKED: Final = _own("parked_messages", Kind.GAUGE, "Messages in flight whose account is not configured.")
RELAY_REQUESTS: Final = _own(
    "relay_requests_total",
    Kind.COUNTER,
    "Requests to the relay, by the code that they were answered.",
    "account",
    "code",
)
RELAY_UNTRACKED: Final = _own(
    "relay_untracked_total", Kind.COUNTER, "Messages that SMSBat accepted through the relay and that are not tracked."
)
WEBHOOKS: Final = _own("webhooks_total", Kind.COUNTER, "Webhooks, by what they came to.", "account", "result")
WEBHOOKS_MISSED: Final = _own(
    "webhooks_missed_total",
    Kind.COUNTER,
    "Messages that a poll found final and whose webhook did not come within a minute.",
    "account",
)
LABEL_OVERFLOW: Final = _own(
    "label_overflow_total", Kind.COUNTER, 'Label values of messages that became "other".', "label"
)
LABELS_IGNORED: Final = _own("labels_ignored_total", Kind.COUNTER, "Labels of messages that are not configured.")
STORE_UP: Final = _own("store_up", Kind.GAUGE, "Whether the last commit succeeded.")
STORE_COMMIT: Final = _own("store_commit_seconds", Kind.HISTOGRAM, "Duration of commits.")
STORE_ERRORS: Final = _own("store_errors_total", Kind.COUNTER, "Calls to the store that failed.")
SPANS: Final = _own("spans_total", Kind.COUNTER, "Spans of traces, by what became of them.", "result")
RELOAD_OK: Final = _own(
    "config_last_reload_successful", Kind.GAUGE, "Whether the last attempt to read the configuration succeeded."
)
RELOAD_AT: Final = _own(
    "config_last_reload_success_timestamp_seconds", Kind.GAUGE, "When the configuration was last read successfully."
)

METRICS: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Metric))
"""All of them, in the order of this module."""
STORED: Final = {metric.name: metric for metric in METRICS if metric.stored}
"""Those whose totals outlive the process, by name."""

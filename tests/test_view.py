"""What a scrape shows: every metric of the contract with its labels and type, and what is said in words."""

from __future__ import annotations

import asyncio
import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter import view
from exporter.catalogue import METRICS
from exporter.labels import WAY_STATUSES
from exporter.message import Outcome
from tests.lab import Lab, account
from tests.virtual_time import in_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client import Metric

CONTRACT = """
| `smsbat_messages_accepted_total` | counter | L |
| `smsbat_messages_in_flight` | gauge | A, status |
| `smsbat_messages_in_flight_older_than` | gauge | A, age |
| `smsbat_message_status_total` | counter | A, status |
| `smsbat_messages_matured_total` | counter | L, result |
| `smsbat_messages_finished_total` | counter | L, outcome, fallback |
| `smsbat_messages_abandoned_total` | counter | A |
| `smsbat_time_to_delivery_seconds` | histogram | A, fallback |
| `smsbat_time_to_delivery_lower_bound_seconds` | histogram | A, fallback |
| `smsbat_time_to_failure_seconds` | histogram | A |
| `smsbat_message_parts_total` | counter | A, outcome |
| `smsbat_fallback_total` | counter | A, kind, status |
| `smsbat_channel_status_total` | counter | A, via, status |
| `smsbat_fallback_usage_ratio` | gauge | A |
| `smsbat_delivery_ratio` | gauge | A |
| `smsbat_cost_total` | counter | L, outcome, currency |
| `smsbat_rate_amount_total` | counter | A, outcome, currency |
| `smsbat_bill_amount_total` | counter | A, outcome, currency |
| `smsbat_cost_window` | gauge | A, currency |
| `smsbat_cost_per_delivered` | gauge | A, currency |
| `smsbat_objective_messages_total` | counter | objective, A |
| `smsbat_objective_missed_total` | counter | objective, A |
| `smsbat_objective_undecided_total` | counter | objective, A |
| `smsbat_objective_target_ratio` | gauge | objective |
| `smsbat_exporter_build_info` | gauge | version, revision, python |
| `smsbat_exporter_api_up` | gauge | account |
| `smsbat_exporter_account_paused` | gauge | account, reason |
| `smsbat_exporter_api_last_success_timestamp_seconds` | gauge | account |
| `smsbat_exporter_polls_total` | counter | account, result |
| `smsbat_exporter_poll_duration_seconds` | histogram | account |
| `smsbat_exporter_poll_lag_seconds` | histogram | account |
| `smsbat_exporter_polls_due` | gauge | account |
| `smsbat_exporter_request_budget` | gauge | account |
| `smsbat_exporter_request_demand` | gauge | account |
| `smsbat_exporter_anomalies_total` | counter | account, kind |
| `smsbat_exporter_intake_total` | counter | source, result |
| `smsbat_exporter_max_in_flight` | gauge | |
| `smsbat_exporter_parked_messages` | gauge | |
| `smsbat_exporter_relay_requests_total` | counter | account, code |
| `smsbat_exporter_relay_untracked_total` | counter | |
| `smsbat_exporter_webhooks_total` | counter | account, result |
| `smsbat_exporter_webhooks_missed_total` | counter | account |
| `smsbat_exporter_label_overflow_total` | counter | label |
| `smsbat_exporter_labels_ignored_total` | counter | |
| `smsbat_exporter_store_up` | gauge | |
| `smsbat_exporter_store_commit_seconds` | histogram | |
| `smsbat_exporter_store_errors_total` | counter | |
| `smsbat_exporter_spans_total` | counter | result |
| `smsbat_exporter_config_last_reload_successful` | gauge | |
| `smsbat_exporter_config_last_reload_success_timestamp_seconds` | gauge | |
"""
"""The contract's tables."""
SHORT = {"A": ("account", "channel"), "L": ("account", "channel", "campaign")}
FALLBACKS: dict[str, Any] = {
    "fallbacks": [{"type": "sms", "status": "delivered"}],
    "extendedStatuses": {"viber": "delivered"},
}
MONEY: dict[str, Any] = {
    "cost": "0.5",
    "rateAmount": 1,
    "rateCurrency": "EUR",
    "billAmount": 2,
    "billCurrency": "UAH",
    "partscount": 1,
}


def promised() -> dict[str, tuple[str, frozenset[str]]]:
    """Return what the contract says: type and label names of each metric."""
    found = {}
    for name, kind, labels in re.findall(r"`(\w+)` \| (\w+) \| ([\w, ]*)\|", CONTRACT):
        names = [part.strip() for part in labels.split(",") if part.strip()]
        found[name] = (kind, frozenset(name for part in names for name in SHORT.get(part, (part,))))
    return found


async def busy(lab: Lab) -> None:
    """Have something happen to every metric."""
    await lab.offer("secret-id-1", "secret-id-2", "secret-id-3", channel="viber_otp", labels={"campaign": "spring"})
    lab.advance(3)
    lab.answer("secret-id-1", "processing")
    lab.answer("secret-id-1", "delivered", **FALLBACKS, **MONEY)
    lab.answer("secret-id-2", "undeliverable", **FALLBACKS, **MONEY)
    lab.core.tracker.abandon(lab.slot("secret-id-3"))
    await lab.offer("secret-id-4", channel="sms", labels={"campaign": "summer", "colour": "red"})
    await lab.settle()


SETTINGS: dict[str, Any] = {
    "labels": {"campaign": {"max_values": 1}},
    "objectives": [{"name": "otp", "within": "10s", "target": 0.95}],
    "relay": {},
    "accounts": [account(webhook_token="token")],
}


@in_virtual_time
async def test_every_metric_of_the_contract_has_its_type_and_exactly_its_labels() -> None:
    async with Lab(**SETTINGS, channels=["sms"]) as lab:
        await busy(lab)
        shown = {}
        for family in view.snapshot(lab.core, lab.clock.at).collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
            assert len(labels) == 1, f"{name} has no samples, or they differ in their labels"
            shown[name] = (family.type, *labels)
            assert family.documentation
        assert shown == promised()


@in_virtual_time
async def test_histograms_carry_the_configured_labels_when_told_to() -> None:
    async with Lab(**SETTINGS, histogram_labels=True) as lab:
        await busy(lab)
        for name in ("time_to_delivery_seconds_count", "time_to_delivery_lower_bound_seconds_count"):
            assert lab.shown(name, campaign="spring", fallback="used") == 1
        assert lab.shown("time_to_failure_seconds_count", campaign="spring") == 1
        assert lab.shown("exporter_poll_duration_seconds_count", account="main") == 3


@pytest.mark.parametrize(
    ("render", "parse"),
    [(generate_latest, text_families), (openmetrics.generate_latest, openmetrics_families)],
    ids=["text", "openmetrics"],
)
@in_virtual_time
async def test_both_formats_can_be_parsed_and_hold_no_id(
    render: Callable[..., bytes], parse: Callable[[str], Iterable[Metric]]
) -> None:
    async with Lab(**SETTINGS) as lab:
        await busy(lab)
        text = render(view.snapshot(lab.core, lab.clock.at)).decode()
        families = {family.name for family in parse(text)}
        assert families == {name.removesuffix("_total") for name in promised()}
        assert "secret-id" not in text
        assert "red" not in re.findall(r'"(\w+)"', text)


@in_virtual_time
async def test_a_fresh_exporter_names_every_metric_and_shows_no_ratio_or_timestamp() -> None:
    async with Lab(channels=["viber_promo"], **SETTINGS) as lab:
        empty = {
            metric.name
            for metric in METRICS
            if not any(name.startswith(metric.name.removesuffix("_total")) for name, _, _ in lab.samples())
        }
        assert empty == {
            "smsbat_fallback_usage_ratio",
            "smsbat_delivery_ratio",
            "smsbat_cost_window",
            "smsbat_cost_per_delivered",
            "smsbat_exporter_api_last_success_timestamp_seconds",
        }
        assert lab.shown("exporter_api_up", account="main") == 1
        assert lab.shown("exporter_config_last_reload_successful") == 1
        assert lab.shown("exporter_config_last_reload_success_timestamp_seconds") == lab.clock.at


@pytest.mark.parametrize(
    ("channel", "fallbacks", "ways"),
    [
        ("viber_otp", {"sms", "email"}, {"viber", "sms", "email"}),
        ("rcs", {"sms"}, {"rcs", "sms"}),
        ("sms", set(), set()),
        ("own", set(), set()),
    ],
)
@in_virtual_time
async def test_every_child_that_smsbat_can_bring_shows_0_from_the_start(
    channel: str, fallbacks: set[str], ways: set[str]
) -> None:
    async with Lab(accounts=[account("main", currency="UAH")], channels=[channel]) as lab:
        shown = [
            (name, labels) for name, labels, value in lab.samples() if labels.get("channel") == channel and value == 0
        ]
        for metric, label, kinds in (("fallback", "kind", fallbacks), ("channel_status", "via", ways)):
            found = {(labels[label], labels["status"]) for name, labels in shown if name == f"smsbat_{metric}_total"}
            assert found == set(product(kinds, WAY_STATUSES))
        for metric in ("cost", "rate_amount", "bill_amount"):
            found = {
                (labels["outcome"], labels["currency"]) for name, labels in shown if name == f"smsbat_{metric}_total"
            }
            assert found == {(outcome.value, "UAH") for outcome in Outcome}


@in_virtual_time
async def test_the_api_is_up_until_a_minute_after_the_last_understood_answer_while_calls_fail() -> None:
    async with Lab(accounts=[account("main"), account("two")]) as lab:
        await lab.offer("m1")
        lab.not_found("m1")
        asked_at = lab.clock.at
        lab.advance(3_600)
        assert lab.shown("exporter_api_up", account="main") == 1, "nothing was asked since"
        lab.clock.at = asked_at + 60
        lab.fail("m1", 500)
        assert lab.shown("exporter_api_up", account="main") == 1
        lab.advance(1)
        assert lab.shown("exporter_api_up", account="main") == 0
        assert lab.shown("exporter_api_up", account="two") == 1
        assert lab.shown("exporter_api_last_success_timestamp_seconds", account="main") == asked_at
        assert any("main" in line and "minute" in line for line in view.problems(lab.core))
        lab.answer("m1", "processing")
        assert lab.shown("exporter_api_up", account="main") == 1
        assert view.problems(lab.core) == []


@pytest.mark.parametrize(("code", "reason"), [(401, "unauthorized"), (403, "forbidden"), (429, "rate_limited")])
@in_virtual_time
async def test_a_pause_is_shown_by_its_reason_and_allows_nothing_meanwhile(code: int, reason: str) -> None:
    async with Lab() as lab:
        budget, now = lab.core.desks["main"].budget, lab.clock.at
        assert lab.shown("exporter_request_budget") == 10
        assert lab.shown("exporter_account_paused") == 0
        budget.start(now)
        budget.finish(now, now, code, None)
        reasons = {
            labels["reason"]: value for name, labels, value in lab.samples() if name == "smsbat_exporter_account_paused"
        }
        assert reasons == {"unauthorized": 0, "forbidden": 0, "rate_limited": 0, "store": 0, reason: 1}
        assert lab.shown("exporter_request_budget") == 0
        (line,) = view.problems(lab.core)
        assert line.startswith("account main: ")
        assert str(code) in line


@in_virtual_time
async def test_demand_and_what_is_due_are_those_of_the_messages_in_flight() -> None:
    async with Lab(polling=[{"first": "4s"}]) as lab:
        assert lab.shown("exporter_request_demand") == 0
        await lab.offer("m1", "m2")
        assert lab.shown("exporter_request_demand") == 0.5
        assert lab.shown("exporter_polls_due") == 0
        lab.advance(5)
        assert lab.shown("exporter_polls_due") == 2
        lab.answer("m1", "delivered")
        await lab.settle()
        assert lab.shown("exporter_request_demand") == 0.25


@in_virtual_time
async def test_a_snapshot_never_changes_once_it_is_taken() -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="sms")
        taken = view.snapshot(lab.core, lab.clock.at)
        before = generate_latest(taken)
        lab.answer("m1", "delivered", cost=1)
        await lab.settle()
        assert generate_latest(taken) == before
        assert generate_latest(view.snapshot(lab.core, lab.clock.at)) != before


@in_virtual_time
async def test_the_health_page_names_parked_messages_and_a_failed_reload() -> None:
    async with Lab(accounts=[account("main"), account("gone")]) as lab:
        await lab.offer("m1", account="gone")
        lab.reload(accounts=[account("main")])
        lab.core.reloads.errors = ("config.yaml:1:1: something with a secret",)
        await asyncio.sleep(0)
        lines = view.problems(lab.core)
        assert len(lines) == 2
        assert any(line.startswith("1 messages are parked") for line in lines)
        assert any("reload failed" in line for line in lines)
        assert "secret" not in " ".join(lines)
        assert lab.shown("exporter_config_last_reload_successful") == 0

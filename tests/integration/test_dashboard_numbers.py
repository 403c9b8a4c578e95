"""The numbers that panels show when exporters restart, have replicas, or have nothing to tell, by promtool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.boards import filled, queries
from tests.integration.test_prometheus import promtool

SCRAPE_SECONDS: Final = 15
MESSAGE: Final = 'job="smsbat",account="main",channel="sms"'
OBJECTIVE: Final = 'objective="otp",account="main",channel="sms"'
EXPRESSIONS: Final = {
    (query.name, query.legend): filled(
        query.expression.replace("[28d]", "[5m]"),
        interval_seconds=max(query.least_step_seconds, SCRAPE_SECONDS),
        scrape_seconds=SCRAPE_SECONDS,
        range_seconds=300,
    )
    for query in queries()
}


def without_label(expression: str) -> str:
    """Return an expression by label as it is while `$label` has nothing to offer."""
    assert "sum by (campaign)" in expression
    return expression.replace("by (campaign)", "by ()")


class Case(NamedTuple):
    """Series as promtool writes them, a panel's query, when it is asked, and what it finds by labels."""

    what: str
    series: Mapping[str, str]
    panel: tuple[str, str]
    at: str
    found: Mapping[str, float]


def matured(instance: str, result: str, *, campaign: str = "spring") -> str:
    """Return the counter of matured messages of an exporter."""
    return f'smsbat_messages_matured_total{{instance="{instance}",{MESSAGE},campaign="{campaign}",result="{result}"}}'


def accepted(instance: str) -> str:
    """Return the counter of accepted messages of an exporter."""
    return f'smsbat_messages_accepted_total{{instance="{instance}",{MESSAGE}}}'


def cost(currency: str, outcome: str = "delivered") -> str:
    """Return what an exporter counted as cost."""
    return f'smsbat_cost_total{{instance="a",{MESSAGE},outcome="{outcome}",currency="{currency}"}}'


def objective(name: str, instance: str) -> str:
    """Return a counter of an objective, of an exporter."""
    return f'smsbat_objective_{name}_total{{instance="{instance}",job="smsbat",{OBJECTIVE}}}'


def target(instance: str) -> str:
    """Return an objective's target, as an exporter shows it."""
    return f'smsbat_objective_target_ratio{{instance="{instance}",job="smsbat",objective="otp"}}'


VOLUME: Final = ("SMSBat / Overview: Messages", "accepted")
RATE: Final = ("SMSBat / Overview: Delivery rate, now and a week ago", "now")
RATE_NOW: Final = ("SMSBat / Overview: Delivered, of the last 15 minutes", "")
BY_LABEL: Final = ("SMSBat / Delivery: Delivery rate by $label", "{{$label}}")
WITHOUT_LABEL: Final = (BY_LABEL[0], "")
BURN: Final = ("SMSBat / Objectives: Burn rate of the last hour", "{{objective}}")
CASES: Final = (
    Case("a steady flow", {accepted("a"): "0+5x80"}, VOLUME, "10m", {"": 20.0}),
    Case("a restart goes on from the store", {accepted("a"): "0+5x20 _x4 105+5x60"}, VOLUME, "9m", {"": 20.0}),
    Case(
        "another pod goes on with the same store",
        {accepted("a"): "0+5x20 stale", accepted("b"): "_x21 105+5x60"},
        VOLUME,
        "7m",
        {"": 20.0},
    ),
    Case(
        "replicas each have their own messages",
        {accepted("a"): "0+5x80", accepted("b"): "7+3x80"},
        VOLUME,
        "9m",
        {"": 32.0},
    ),
    *(
        Case(
            f"a rate stays what it is while one pod takes over from another, {at}",
            {
                matured("a", "delivered"): "0+8x20 stale",
                matured("a", "pending"): "0+2x20 stale",
                matured("b", "delivered"): "_x21 168+8x60",
                matured("b", "pending"): "_x21 42+2x60",
            },
            RATE,
            at,
            {"": 0.8},
        )
        for at in ("5m", "5m30s", "6m", "7m")
    ),
    Case(
        "a new campaign of which nothing arrives is at 0 %",
        {matured("a", "pending", campaign="new"): "0+2x80", matured("a", "delivered"): "0+2x80"},
        BY_LABEL,
        "10m",
        {'{campaign="new"}': 0.0, '{campaign="spring"}': 1.0},
    ),
    Case(
        "without labels in the configuration, the rate by label is one line",
        {matured("a", "pending"): "0+2x80", matured("a", "delivered"): "0+2x80"},
        WITHOUT_LABEL,
        "10m",
        {"": 0.5},
    ),
    Case(
        "one of which everything arrives is at 100 %",
        {matured("a", "delivered"): "0+2x80"},
        RATE_NOW,
        "10m",
        {"": 1.0},
    ),
    Case(
        "what nobody could be asked about is not held against the rate",
        {matured("a", "delivered"): "0+3x80", matured("a", "failed"): "0+1x80", matured("a", "unknown"): "0+9x80"},
        RATE_NOW,
        "10m",
        {"": 0.75},
    ),
    Case(
        "without messages there is no rate",
        {matured("a", "delivered"): "7+0x80", matured("a", "pending"): "3+0x80"},
        RATE_NOW,
        "10m",
        {},
    ),
    Case("the first message of a series counts", {accepted("a"): "0x20 1x4"}, VOLUME, "5m15s", {"": 0.8}),
    Case(
        "replicas do not add up a target",
        {
            **{objective("messages", it): "0+20x80" for it in "ab"},
            **{objective("missed", it): "0+2x80" for it in "ab"},
            **{target(it): "0.95x80" for it in "ab"},
        },
        BURN,
        "10m",
        {'{objective="otp"}': 2.0},
    ),
    Case(
        "an objective that nothing missed burns nothing",
        {objective("messages", "a"): "0+20x80", target("a"): "0.95x80"},
        BURN,
        "10m",
        {'{objective="otp"}': 0.0},
    ),
    Case(
        "currencies stay apart",
        {cost("USD"): "0+2x80", cost("EUR"): "0+3x80", cost("EUR", "timeout"): "0+1x80"},
        ("SMSBat / Fallback and cost: Cost", "{{currency}}"),
        "10m",
        {'{currency="EUR"}': 80.0, '{currency="USD"}': 40.0},
    ),
    Case(
        "what a delivered message costs includes the others",
        {
            cost("USD"): "0+2x80",
            cost("USD", "timeout"): "0+1x80",
            f'smsbat_messages_finished_total{{instance="a",{MESSAGE},outcome="delivered",fallback="none"}}': "0+30x80",
        },
        ("SMSBat / Overview: Cost of a delivered message today", "{{account}}, {{currency}}"),
        "10m",
        {'{account="main", currency="USD"}': 0.1},
    ),
)


def told(case: Case) -> str:
    """Return a test file for promtool, which reads JSON as the YAML that it is."""
    expression = without_label(EXPRESSIONS[BY_LABEL]) if case.panel == WITHOUT_LABEL else EXPRESSIONS[case.panel]
    check = {
        "expr": f"round({expression}, 0.001)",
        "eval_time": case.at,
        "exp_samples": [{"labels": labels or "{}", "value": value} for labels, value in case.found.items()],
    }
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    group = {"interval": f"{SCRAPE_SECONDS}s", "input_series": series, "promql_expr_test": [check]}
    return json.dumps({"rule_files": [], "evaluation_interval": f"{SCRAPE_SECONDS}s", "tests": [group]})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
async def test_a_panel_shows(case: Case, tmp_path: Path) -> None:
    (tmp_path / "case.yml").write_text(told(case), "utf-8")
    code, said = await promtool(tmp_path, "test", "rules", "case.yml")
    assert code == 0, said

"""Rules and alerts: what holds for all of them, and that the files are those that the catalogue makes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from prometheus.source import __main__ as command
from prometheus.source import rules
from prometheus.source.cases.catalogue import CASES
from prometheus.source.catalogue import ALERTS, GROUPS, RECORDS
from prometheus.source.durations import milliseconds, scaled_expression, without_durations
from prometheus.source.files import files
from prometheus.source.grafana import inlined, uid
from prometheus.source.values import Alert, Record, Severity
from tests.rule_queries import calls, exported, uses

ROOT = Path(__file__).parents[1]
FILES = dict(files())
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text("utf-8")
PROVISIONED = ROOT / "grafana" / "provisioning"
KINDS = ("fires", "does not fire", "no data", "low traffic", "recovers")

each_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
each_expression = pytest.mark.parametrize(
    "expr",
    [it.expr for it in RECORDS.values()] + [inlined(it.expr, RECORDS) for it in ALERTS.values()],
    ids=[*RECORDS, *ALERTS],
)


def provisioned_rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((PROVISIONED / "alerting" / "smsbat-rules.yaml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("path", FILES)
def test_the_file_is_the_one_that_the_catalogue_makes(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == FILES[path], "run `make rules`"


def test_no_file_is_left_over() -> None:
    made = {
        *(ROOT / "prometheus").glob("*.yaml"),
        *(ROOT / "prometheus" / "tests").iterdir(),
        *PROVISIONED.rglob("*.yaml"),
    }
    assert {str(path.relative_to(ROOT)) for path in made} == {path for path in FILES if path.endswith(".yaml")}


def test_the_check_names_a_file_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "_ROOT", tmp_path)
    assert command.main([]) == 0
    capsys.readouterr()
    assert (command.main(["--check"]), capsys.readouterr().out) == (0, "")
    (tmp_path / "prometheus" / "rules.yaml").write_text("groups: []\n", "utf-8")
    assert (command.main(["--check"]), capsys.readouterr().out) == (1, "prometheus/rules.yaml\n")


@each_expression
def test_every_metric_and_label_is_one_that_the_exporter_exports(expr: str) -> None:
    known = exported()
    for use in uses(promql.parse(expr)):
        assert use.name in known
        assert use.labels <= known[use.name], f"{use.name} has no {sorted(use.labels - known[use.name])}"


@each_expression
def test_counters_are_rated_before_they_are_summed(expr: str) -> None:
    for call in calls(promql.parse(expr)):
        if call.func.name in {"rate", "increase"}:
            assert isinstance(call.args[0], promql.MatrixSelector)
    for use in uses(promql.parse(expr)):
        if re.search(r"_(total|bucket|count|sum)$", use.name):
            assert re.search(rf"(rate|increase)\({use.name}", expr)


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_records_level_is_what_it_groups_by(record: Record) -> None:
    level, metric, operations = record.name.split(":")
    for grouped in re.findall(r"by \(([^)]*)\)", record.expr):
        assert "_".join(name for name in grouped.split(", ") if name != "le") == level
    (window,) = set(re.findall(r"\[(\w+)\]", record.expr)) or {""}
    assert operations.endswith(window)
    assert any(use.name.startswith("_".join(metric.split("_")[:2])) for use in uses(promql.parse(record.expr)))


@each_alert
def test_every_record_that_an_alert_uses_exists_and_none_is_idle(alert: Alert) -> None:
    used = {name for other in ALERTS.values() for name in re.findall(r"\w+:\w+:\w+", other.expr)}
    assert used == set(RECORDS)
    assert alert.name.startswith("Smsbat")


@each_alert
def test_texts_use_only_labels_that_the_alert_has(alert: Alert) -> None:
    annotations = rules.alert_rule(alert)["annotations"]
    assert isinstance(annotations, dict)
    used = re.findall(r"\$labels\.(\w+)", " ".join(annotations.values()))
    assert set(used) <= set(alert.labels)


@each_alert
def test_every_alert_leads_to_a_dashboard_that_exists(alert: Alert) -> None:
    (rule,) = [
        each
        for group in yaml.safe_load((ROOT / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"]
        for each in group["rules"]
        if each["alert"] == alert.name
    ]
    boards = [json.loads(path.read_text("utf-8")) for path in (ROOT / "grafana" / "dashboards").glob("*.json")]
    path = rule["annotations"]["dashboard"].partition("?")[0]
    assert path in {f"/d/{board['uid']}" for board in boards}


@each_alert
def test_every_alert_has_its_runbook(alert: Alert) -> None:
    sections = re.findall(r"^### (\w+)\n\n\*(\w+)\.\* (.*?)(?=\n##|\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _, _ in sections) == sorted(ALERTS)
    ((severity, text),) = [(severity, text) for name, severity, text in sections if name == alert.name]
    assert severity == alert.severity.value
    for part in ("Users feel", "False alarm"):
        assert part in text
    assert rules.runbook(alert) == f"docs/runbooks.md#{alert.name.lower()}"


@pytest.mark.parametrize(
    "query", re.findall(r"```promql\n(.*?)```", RUNBOOKS, re.DOTALL) + re.findall(r"`((?:sum|count) by .*?)`", RUNBOOKS)
)
def test_the_runbooks_queries_are_about_metrics_that_exist(query: str) -> None:
    known = exported()
    for use in uses(promql.parse(query)):
        assert use.labels <= known[use.name]


@pytest.mark.parametrize("target", re.findall(r"\]\(#([\w-]+)\)", RUNBOOKS))
def test_every_link_within_the_runbooks_leads_somewhere(target: str) -> None:
    headings = re.findall(r"^#+ (.*)$", RUNBOOKS, re.MULTILINE)
    assert target in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@each_alert
def test_every_alert_has_its_tests(alert: Alert) -> None:
    names = [case.name.removeprefix(f"{alert.name}: ") for case in CASES[alert.name]]
    assert [kind for kind in KINDS if not any(kind in name for name in names)] == []
    assert {firing.alert for case in CASES[alert.name] for fired in case.at.values() for firing in fired} >= {
        alert.name
    }


@each_expression
def test_shortened_rules_differ_in_their_durations_only(expr: str) -> None:
    shortened = scaled_expression(expr, 1 / 60)
    assert without_durations(shortened) == without_durations(expr)
    assert scaled_expression(expr, 1.0) == expr
    lengths = [re.findall(r"(?<=[\[:])\d[\w]*(?=[\]:])|(?<=offset )\w+", text) for text in (expr, shortened)]
    assert [milliseconds(text) // 60 for text in lengths[0]] == [milliseconds(text) for text in lengths[1]]


def test_grafana_has_the_same_alerts_under_uids_of_their_own() -> None:
    found = provisioned_rules()
    assert [rule["title"] for rule in found] == list(ALERTS)
    assert [rule["uid"] for rule in found] == [uid(alert) for alert in ALERTS.values()]
    assert len({rule["uid"] for rule in found}) == len(ALERTS)
    assert max(len(rule["uid"]) for rule in found) <= 40  # Grafana takes no longer ones


def test_grafanas_alerts_ask_without_recording_rules() -> None:
    for rule in provisioned_rules():
        expr = rule["data"][0]["model"]["expr"]
        assert expr == inlined(ALERTS[rule["title"]].expr, RECORDS)
        assert not re.search(r"\w:\w", re.sub(r"\[\w+:\w+\]", "", expr))


def test_one_alert_fires_when_grafana_cannot_ask_prometheus_and_no_page_is_silent() -> None:
    states = {rule["title"]: (rule["noDataState"], rule["execErrState"]) for rule in provisioned_rules()}
    assert [name for name, (_, error) in states.items() if error == "Alerting"] == ["SmsbatExporterAbsent"]
    silent = {ALERTS[name].severity for name, (_, error) in states.items() if error == "OK"}
    assert silent == {Severity.WARNING}
    assert {no_data for no_data, _ in states.values()} == {"OK"}  # a query with its comparison finds nothing when well


def test_grafana_finds_no_variable_in_the_rules_to_replace() -> None:
    assert "$" not in FILES["grafana/provisioning/alerting/smsbat-rules.yaml"]


def test_provisioned_parts_name_each_other() -> None:
    def read(path: str) -> Any:  # noqa: ANN401
        return yaml.safe_load((PROVISIONED / path).read_text("utf-8"))

    sources = {each["uid"]: each for each in read("datasources/smsbat.yaml")["datasources"]}
    (exemplars,) = sources["smsbat-prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert exemplars == {"name": "trace_id", "datasourceUid": "smsbat-tempo"}
    assert sources["smsbat-tempo"]["type"] == "tempo"
    assert {rule["data"][0]["datasourceUid"] for rule in provisioned_rules()} == {"smsbat-prometheus"}
    points = {each["name"] for each in read("alerting/smsbat-contact-points.yaml")["contactPoints"]}
    (policy,) = read("alerting/smsbat-policies.yaml")["policies"]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} == points


def test_groups_have_names_of_their_own() -> None:
    assert len({group.name for group in GROUPS}) == len(GROUPS)

"""What the chart tells Prometheus, Grafana and the network: it fits the pods and Services beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from deploy.source.files import ROOT
from deploy.source.helm import CHART
from tests.charts import CENTRAL, SIDECAR, Document, listeners, of_kind, rendered, the, workload

EVERYTHING = {"central": CENTRAL["central with everything"], "sidecar": SIDECAR["sidecars with everything"]}
SERVICE_MONITOR = {"serviceMonitor": {"enabled": True}}
POD_MONITOR = {"podMonitor": {"enabled": True}}
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
LIMIT_BYTES = 1024 * 1024


def endpoint(monitor: Document) -> Document:
    key = "endpoints" if monitor["kind"] == "ServiceMonitor" else "podMetricsEndpoints"
    (found,) = monitor["spec"][key]
    return dict(found)


def policy(**values: object) -> Document:
    documents = rendered({"networkPolicy": {"enabled": True, **values}})
    return dict(the(documents, "NetworkPolicy")["spec"])


def open_to(spec: Document) -> dict[int, Any]:
    return {port["port"]: rule["from"] for rule in spec["ingress"] for port in rule["ports"]}


def test_without_being_asked_for_nothing_needs_the_operator_or_changes_the_network() -> None:
    for values in ({}, {"mode": "sidecar"}):
        kinds = {it["kind"] for it in rendered(values)}
        assert kinds <= {"ConfigMap", "Service", "StatefulSet", "Deployment"}


# --- scraping ---


def test_the_service_monitor_finds_one_service_and_its_port() -> None:
    documents = rendered(EVERYTHING["central"])
    monitor = the(documents, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    (service,) = (it for it in of_kind(documents, "Service") if wanted <= it["metadata"]["labels"].items())
    assert endpoint(monitor)["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert monitor["spec"]["jobLabel"] in service["metadata"]["labels"]


@pytest.mark.parametrize("values", [{}, {"mode": "sidecar"}, SIDECAR["sidecars with everything"]])
def test_the_pod_monitor_finds_the_pods_and_their_port(values: Document) -> None:
    documents = rendered({**values, **POD_MONITOR})
    monitor = the(documents, "PodMonitor")
    labels = workload(documents)["spec"]["template"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert endpoint(monitor)["port"] in listeners(documents)
    assert monitor["spec"]["jobLabel"] in labels


@pytest.mark.parametrize(
    ("web", "scheme"),
    [
        ({}, "http"),
        ({"existingConfigSecret": "web"}, "https"),
        ({"existingConfigSecret": "web", "tls": False}, "http"),
        ({"tls": True}, "http"),
    ],
)
def test_prometheus_scrapes_as_the_listener_speaks(web: Document, scheme: str) -> None:
    assert endpoint(the(rendered({"web": web, **SERVICE_MONITOR}), "ServiceMonitor"))["scheme"] == scheme
    assert endpoint(the(rendered({"web": web, **POD_MONITOR, "mode": "sidecar"}), "PodMonitor"))["scheme"] == scheme


@pytest.mark.parametrize(("mode", "kind"), [("central", "ServiceMonitor"), ("sidecar", "PodMonitor")])
def test_users_certificates_and_labels_reach_the_monitor(mode: str, kind: str) -> None:
    monitor = the(rendered(EVERYTHING[mode]), kind)
    assert endpoint(monitor)["tlsConfig"] == {"insecureSkipVerify": True}
    assert endpoint(monitor)["basicAuth"]["password"] == {"name": "web", "key": "password"}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize(("values", "kind"), [(SERVICE_MONITOR, "ServiceMonitor"), (POD_MONITOR, "PodMonitor")])
def test_prometheus_scrapes_more_often_than_new_series_show_zero(values: Document, kind: str) -> None:
    assert endpoint(the(rendered(values), kind))["interval"] == "15s"  # zero_hold is 1m


# --- rules and dashboards ---


@pytest.mark.parametrize("values", EVERYTHING.values(), ids=EVERYTHING)
def test_the_rule_holds_the_projects_rules_and_alerts(values: Document) -> None:
    files = [yaml.safe_load((ROOT / "prometheus" / name).read_text("utf-8")) for name in ("rules.yaml", "alerts.yaml")]
    rule = the(rendered(values), "PrometheusRule")
    assert rule["spec"] == {"groups": [group for file in files for group in file["groups"]]}
    assert "{{ $labels.account }}" in json.dumps(rule)
    assert rule["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("values", EVERYTHING.values(), ids=EVERYTHING)
def test_each_dashboard_is_a_config_map_that_grafanas_sidecar_finds(values: Document) -> None:
    found = {}
    for it in of_kind(rendered(values), "ConfigMap"):
        if it["metadata"]["labels"].get("grafana_dashboard") == "1":
            assert it["metadata"]["annotations"] == {"grafana_folder": "SMSBat"}
            assert len(json.dumps(it).encode()) < LIMIT_BYTES
            ((name, text),) = it["data"].items()
            found[name] = json.loads(text)
    assert found == {path.name: json.loads(path.read_bytes()) for path in DASHBOARDS}
    assert len(found) == 5


def test_a_release_fits_into_the_secret_that_helm_keeps_it_in() -> None:
    files = sum(path.stat().st_size for path in CHART.rglob("*") if path.is_file())
    assert 2 * files < LIMIT_BYTES  # the chart and what it renders, before compression


# --- the network ---


def test_the_policy_lets_in_what_the_exporter_listens_on_and_nothing_else() -> None:
    documents = rendered(EVERYTHING["central"])
    spec = the(documents, "NetworkPolicy")["spec"]
    assert open_to(spec).keys() == set(listeners(documents).values())
    assert spec["podSelector"]["matchLabels"].items() <= (
        workload(documents)["spec"]["template"]["metadata"]["labels"].items()
    )
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_without_webhooks_their_port_stays_shut() -> None:
    assert open_to(policy()).keys() == {10767, 10768}


def test_the_policy_lets_in_whom_the_values_name() -> None:
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert open_to(policy()) == {10767: [monitoring], 10768: [{"podSelector": {}}]}
    shop = {"podSelector": {"matchLabels": {"app": "shop"}}}
    assert open_to(policy(api={"from": [shop]}))[10768] == [shop]


def test_an_empty_list_of_peers_lets_nobody_in() -> None:
    assert open_to(policy(api={"from": []})).keys() == {10767}
    assert policy(api={"from": []}, web={"from": []})["ingress"] is None


def test_the_policy_lets_out_dns_https_and_what_is_asked_for() -> None:
    collector = {"to": [{"ipBlock": {"cidr": "10.0.0.9/32"}}], "ports": [{"protocol": "TCP", "port": 4318}]}
    dns, https, extra = policy(extraEgress=[collector])["egress"]
    assert dns == {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
    assert https == {"ports": [{"protocol": "TCP", "port": 443}]}
    assert extra == collector

"""What the chart renders: valid for every Kubernetes it is for, and what each kind of pod has to have."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils as schemas  # type: ignore[import-untyped]  # it comes without types

from deploy.source.helm import CHART, helm
from exporter import __version__
from tests.charts import (
    CASES,
    CENTRAL,
    SIDECAR,
    configuration,
    containers,
    exporter,
    flags,
    listeners,
    of_kind,
    pod,
    rendered,
    the,
    workload,
)

OLDEST = 29
VERSIONS = [it for it in schemas.all_versions() if int(it.split(".")[1]) >= OLDEST]
PATH = re.compile(r"/(?:etc|run|var)/[^\s,\"']+")

each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)
each_central = pytest.mark.parametrize("values", CENTRAL.values(), ids=CENTRAL)
each_sidecar = pytest.mark.parametrize("values", SIDECAR.values(), ids=SIDECAR)


@each_case
def test_helm_lint_has_nothing_to_say(values: dict[str, Any]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), *flags(values))


def test_the_schemas_reach_from_the_oldest_kubernetes_to_the_newest_at_hand() -> None:
    assert VERSIONS[0] == "1.29.0"
    assert len(VERSIONS) >= 9
    assert yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["kubeVersion"] == f">={VERSIONS[0]}-0"


@each_case
def test_every_document_is_valid_in_every_kubernetes(values: dict[str, Any]) -> None:
    for document in rendered(values):
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue  # of the Prometheus Operator, not of Kubernetes
        for version in VERSIONS:
            schemas.validate(document, version, strict=True)


def test_the_validation_refuses_a_misspelt_field() -> None:
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "date": {}}
    with pytest.raises(schemas.ValidationError):
        schemas.validate(document, VERSIONS[-1], strict=True)


def test_the_chart_runs_the_version_that_it_comes_with() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"] == __version__
    assert exporter(rendered({}))["image"] == f"smsbat-exporter:{__version__}"


def test_a_digest_stands_in_place_of_the_tag() -> None:
    values = {"image": {"repository": "registry.example/exporter", "tag": "9", "digest": f"sha256:{'a' * 64}"}}
    assert exporter(rendered(values))["image"] == f"registry.example/exporter@sha256:{'a' * 64}"


# --- the container ---


@each_case
def test_every_path_of_flags_and_configuration_is_mounted(values: dict[str, Any]) -> None:
    documents = rendered(values)
    container = exporter(documents)
    mounted = tuple(f"{it['mountPath']}/" for it in container["volumeMounts"])
    used = PATH.findall("\n".join([*container["args"], configuration(documents)]))
    assert "/etc/smsbat-exporter/config.yaml" in used
    assert "/var/lib/smsbat-exporter/state.db" in used
    assert [path for path in used if not path.startswith(mounted)] == []


@each_case
def test_every_mount_has_its_volume(values: dict[str, Any]) -> None:
    spec = pod(rendered(values))
    templates = workload(rendered(values))["spec"].get("volumeClaimTemplates", [])
    volumes = [it["name"] for it in spec["volumes"]] + [it["metadata"]["name"] for it in templates]
    assert sorted(volumes) == sorted(set(volumes))
    for container in containers(rendered(values)):
        assert {it["name"] for it in container.get("volumeMounts", [])} <= {*volumes}


@each_case
def test_the_config_map_that_is_mounted_is_rendered(values: dict[str, Any]) -> None:
    documents = rendered(values)
    (name,) = (it["configMap"]["name"] for it in pod(documents)["volumes"] if "configMap" in it)
    assert "config.yaml" in the(documents, "ConfigMap", name)["data"]


@each_case
def test_the_probes_ask_the_web_listener_as_it_speaks(values: dict[str, Any]) -> None:
    container = exporter(rendered(values))
    web = values.get("web", {})
    scheme = "HTTPS" if web.get("existingConfigSecret") and web.get("tls", True) else None
    paths = {"startupProbe": "/-/ready", "readinessProbe": "/-/ready", "livenessProbe": "/-/healthy"}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        if probe in container:
            get = container[probe]["httpGet"]
            assert (get["path"], get["port"], get.get("scheme")) == (paths[probe], "web", scheme)
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 300
    assert container["livenessProbe"]["periodSeconds"] * container["livenessProbe"]["failureThreshold"] >= 30


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, True, id="central"),
        pytest.param({"config": {"relay": None}}, True, id="central without the relay"),
        pytest.param({"mode": "sidecar"}, True, id="an application that sends through it"),
        pytest.param({"mode": "sidecar", "config": {"relay": None}}, False, id="an application that does not"),
    ],
)
def test_an_exporter_takes_an_application_out_of_service_only_if_it_sends_through_it(
    values: dict[str, Any], *, expected: bool
) -> None:
    container = exporter(rendered(values))
    assert ("readinessProbe" in container) is expected
    assert {"startupProbe", "livenessProbe"} <= container.keys()


def test_tls_shows_in_the_flags_and_the_mounts() -> None:
    container = exporter(rendered({"web": {"existingConfigSecret": "certificates"}}))
    assert "--web.config.file=/etc/smsbat-exporter-web/web-config.yml" in container["args"]
    volumes = {it["name"]: it for it in pod(rendered({"web": {"existingConfigSecret": "certificates"}}))["volumes"]}
    assert volumes["smsbat-web-config"]["secret"]["secretName"] == "certificates"


def test_a_pod_is_replaced_when_the_configuration_changes_and_only_then() -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = workload(rendered(values))["spec"]["template"]["metadata"].get("annotations", {})
        return found

    before = annotations({})
    assert annotations({"config": {"retention": "48h"}}) != before
    assert annotations({"log": {"level": "debug"}, "dashboards": {"enabled": True}}) == before
    assert annotations({"rollOnConfigChange": False, "config": {"retention": "48h"}}) == {}


def test_extras_end_up_where_they_belong() -> None:
    for documents in (rendered(CENTRAL["central with everything"]), rendered(SIDECAR["sidecars with everything"])):
        spec = pod(documents)
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("smsbat", "important")
        assert spec["nodeSelector"] == {"kubernetes.io/os": "linux"}
        assert {"tolerations", "affinity", "topologySpreadConstraints"} <= spec.keys()
        assert {it["name"] for it in exporter(documents)["env"]} == {"OTEL_EXPORTER_OTLP_ENDPOINT"}
        assert "/outbox" in {it["mountPath"] for it in exporter(documents)["volumeMounts"]}
        metadata = workload(documents)["spec"]["template"]["metadata"]
        assert metadata["labels"]["team"] == "messages"
        assert metadata["annotations"]["prometheus.io/scrape"] == "true"


# --- central ---


@each_central
def test_central_is_one_pod_with_a_claim(values: dict[str, Any]) -> None:
    documents = rendered(values)
    spec = the(documents, "StatefulSet")["spec"]
    assert spec["replicas"] == 1
    assert of_kind(documents, "Deployment") == of_kind(documents, "HorizontalPodAutoscaler") == []
    mounted = {it["name"]: it["mountPath"] for it in exporter(documents)["volumeMounts"]}
    assert mounted["smsbat-state"] == "/var/lib/smsbat-exporter"
    existing = values.get("persistence", {}).get("existingClaim")
    claims = [
        it["persistentVolumeClaim"]["claimName"] for it in pod(documents)["volumes"] if "persistentVolumeClaim" in it
    ]
    assert claims == ([existing] if existing else [])
    assert ("volumeClaimTemplates" in spec) is not bool(existing)


def test_a_claim_carries_no_label_that_an_upgrade_would_change() -> None:
    (claim,) = the(rendered({}), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"] == {"name": "smsbat-state"}


@each_central
def test_every_service_leads_to_the_listener_of_its_name(values: dict[str, Any]) -> None:
    documents = rendered(values)
    labels = workload(documents)["spec"]["template"]["metadata"]["labels"]
    services = of_kind(documents, "Service")
    for service in services:
        assert service["spec"]["selector"].items() <= labels.items()
    ports = {port["targetPort"]: port["port"] for service in services for port in service["spec"]["ports"]}
    assert ports == listeners(documents)
    assert ports.keys() == {"web", "api"} | ({"webhook"} if "webhook" in values else set())
    governing = the(documents, "StatefulSet")["spec"]["serviceName"]
    assert the(documents, "Service", governing)["spec"]["clusterIP"] == "None"


def test_the_selector_of_the_workload_is_what_its_pods_carry() -> None:
    for values in CASES.values():
        spec = workload(rendered(values))["spec"]
        assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_long_names_still_fit_into_the_labels_of_pods() -> None:
    documents = rendered(CENTRAL["central with everything"], release="a" * 53)
    assert len(the(documents, "StatefulSet")["metadata"]["name"]) <= 52
    assert all(len(it["metadata"]["name"]) <= 63 for it in of_kind(documents, "Service"))


def test_a_secret_is_made_only_of_keys_in_the_values() -> None:
    assert of_kind(rendered({}), "Secret") == []
    documents = rendered({"secret": {"api-key": "made-up", "api-token": "made-up too"}})
    secret = the(documents, "Secret")
    assert secret["stringData"] == {"api-key": "made-up", "api-token": "made-up too"}
    assert {"name": "smsbat-secret", "secret": {"secretName": secret["metadata"]["name"], "defaultMode": 0o440}} in pod(
        documents
    )["volumes"]


# --- sidecar ---


@each_sidecar
def test_the_sidecar_is_native_and_started_before_everything_else(values: dict[str, Any]) -> None:
    first = pod(rendered(values))["initContainers"][0]
    assert (first["name"], first["restartPolicy"]) == ("smsbat-exporter", "Always")


@each_sidecar
def test_beside_an_application_only_the_web_listener_is_open(values: dict[str, Any]) -> None:
    documents = rendered(values)
    assert listeners(documents) == {"web": 10767}
    assert "--api.listen-address=127.0.0.1:10768" in exporter(documents)["args"]
    assert of_kind(documents, "Service") == []


@pytest.mark.parametrize(
    ("values", "source"),
    [
        ({}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"persistence": {"existingClaim": "state"}}, {"persistentVolumeClaim": {"claimName": "state"}}),
    ],
)
def test_the_state_of_a_sidecar_is_where_the_values_say(values: dict[str, Any], source: dict[str, Any]) -> None:
    assert {"name": "smsbat-state", **source} in pod(rendered({"mode": "sidecar", **values}))["volumes"]


def test_each_of_several_sidecars_can_have_a_claim_that_lives_as_long_as_its_pod() -> None:
    documents = rendered({"mode": "sidecar", "replicas": 3, "sidecar": {"volume": "ephemeral"}})
    (state,) = (it for it in pod(documents)["volumes"] if it["name"] == "smsbat-state")
    assert state["ephemeral"]["volumeClaimTemplate"]["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
    assert the(documents, "Deployment")["spec"]["replicas"] == 3


def test_two_pods_never_have_one_claim_at_a_time() -> None:
    spec = the(rendered(SIDECAR["sidecar on a claim that is there"]), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_example_application_is_told_where_the_exporter_is() -> None:
    (application,) = pod(rendered({"mode": "sidecar"}))["containers"]
    assert {"name": "SMSBAT_BASE_URL", "value": "http://127.0.0.1:10768"} in application["env"]

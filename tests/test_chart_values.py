"""The chart's values: its README, its schema and its defaults say the same, and other charts can use it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.source.helm import CHART, by_template, helm, template
from tests.charts import DEFAULTS, NAMESPACE, Document, exporter, flags, pod, rendered, the

README = (CHART / "README.md").read_text("utf-8")
SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
ROW = re.compile(r"^\| `([\w.]+)` \| (?:`(.+)`|see values\.yaml) \| ([^|]+) \|$", re.MULTILINE)
NOT_OURS = {"global", "enabled"}
"""What Helm and the charts around it hand to a dependency."""


def resolved(schema: Document) -> Document:
    name = schema.get("$ref", "").removeprefix("#/definitions/")
    return resolved(SCHEMA["definitions"][name]) if name else schema


def leaves(schema: Document, *path: str) -> Iterator[str]:
    """The values that have no further ones of ours below them."""
    below = resolved(schema)
    if below.get("additionalProperties") is not False:
        yield ".".join(path)
    else:
        for name, part in below["properties"].items():
            yield from leaves(part, *path, name)


def default(path: str) -> Any:  # noqa: ANN401  # whatever stands there
    value: Any = DEFAULTS
    for name in path.split("."):
        value = value[name]
    return value


def block(name: str) -> str:
    (found,) = re.findall(rf"```yaml\n# {re.escape(name)}\n(.*?)```", README, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's chart with the exporter as its dependency."""
    folder = tmp_path_factory.mktemp("shop")
    for name in ("Chart.yaml", "values.yaml", "templates/deployment.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(block(name), "utf-8")
    shutil.copytree(CHART, folder / "charts" / "smsbat-exporter")
    return folder


def test_the_table_has_every_value_once() -> None:
    known = [path for path in leaves(SCHEMA) if path not in NOT_OURS]
    assert [path for path, _, _ in ROW.findall(README)] == known


@pytest.mark.parametrize(("path", "shown"), [(path, shown) for path, shown, _ in ROW.findall(README) if shown])
def test_the_table_shows_the_default(path: str, shown: str) -> None:
    assert json.loads(shown) == default(path)


def test_every_default_fits_the_schema_and_the_schema_knows_no_more() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.Draft7Validator(SCHEMA).validate(DEFAULTS)
    for path in leaves(SCHEMA):
        assert path in NOT_OURS or default(path) is not None


def test_the_readmes_configuration_works() -> None:
    (example,) = (it for it in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if it.startswith("config:"))
    values = yaml.safe_load(example)
    assert exporter(rendered(values))["resources"]["limits"] == {"memory": "512Mi"}
    assert the(rendered(values), "Service", "x-smsbat-exporter-webhook")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (CHART / target).is_file()


def test_a_default_can_be_taken_away() -> None:
    values = {"securityContext": {"runAsUser": None, "runAsGroup": None}, "podSecurityContext": {"fsGroup": None}}
    documents = rendered(values)
    assert not {"runAsUser", "runAsGroup"} & exporter(documents)["securityContext"].keys()
    assert "fsGroup" not in pod(documents)["securityContext"]


# --- in another chart ---


def test_another_chart_can_put_the_sidecar_into_its_own_pod(shop: Path) -> None:
    documents = rendered({}, chart=shop)
    spec = pod(documents)
    (sidecar,) = spec["initContainers"]
    ours = exporter(rendered({"mode": "sidecar"}))
    assert sidecar == ours
    volumes = {it["name"] for it in spec["volumes"]}
    assert {it["name"] for it in sidecar["volumeMounts"]} == volumes
    (name,) = (it["configMap"]["name"] for it in spec["volumes"] if "configMap" in it)
    assert "config.yaml" in the(documents, "ConfigMap", name)["data"]
    labels = the(documents, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert the(documents, "PodMonitor")["spec"]["selector"]["matchLabels"] == labels


def test_another_charts_pod_is_replaced_when_the_configuration_changes(shop: Path) -> None:
    def checksum(values: Document) -> str:
        annotations = the(rendered(values, chart=shop), "Deployment")["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/smsbat-exporter"])

    assert checksum({"smsbat-exporter": {"config": {"retention": "48h"}}}) != checksum({})


def test_another_chart_can_turn_the_relay_off_and_the_whole_dependency_too(shop: Path) -> None:
    values = {"global": {"a": 1}, "smsbat-exporter": {"enabled": True, "config": {"relay": None}}}
    documents = rendered(values, chart=shop)
    assert "relay" not in yaml.safe_load(the(documents, "ConfigMap")["data"]["config.yaml"])
    assert "readinessProbe" not in exporter(documents)


# --- the notes ---


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        ({}, ["--from-file=api-token", "x-smsbat-exporter-api.smsbat.svc:10768", "http://localhost"], ["webhook"]),
        (
            {"secret": {"api-key": "made-up", "api-token": "made-up"}},
            ["statefulset/x-smsbat-exporter"],
            ["create secret"],
        ),
        ({"web": {"existingConfigSecret": "web"}}, ["https://localhost"], []),
        ({"mode": "sidecar"}, ["http://127.0.0.1:10768", "still the example", "deployment/"], ["api-token"]),
        ({"mode": "sidecar", "sidecar": {"containers": []}}, ["another chart includes"], ["port-forward"]),
    ],
)
def test_the_notes_say_what_to_do_next(tmp_path: Path, values: Document, said: list[str], unsaid: list[str]) -> None:
    shutil.copytree(CHART, tmp_path / "chart")
    view = 'text: |\n  {{- include (print $.Template.BasePath "/NOTES.txt") . | nindent 2 }}\n'
    (tmp_path / "chart" / "templates" / "view.yaml").write_text(view, "utf-8")
    text = template("x", "--namespace", NAMESPACE, *flags(values), chart=tmp_path / "chart")
    notes = dict(by_template(text))["view.yaml"]
    assert [it for it in said if it not in notes] == []
    assert [it for it in unsaid if it in notes] == []


def test_the_package_holds_what_the_templates_read(tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.iterdir()
    text = template("x", "--set=dashboards.enabled=true,prometheusRule.enabled=true", chart=package)
    assert text.count("grafana_dashboard") == 5
    assert "alert: SmsbatNoDelivery" in text

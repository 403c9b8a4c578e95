"""The plain manifests and the chart's copies: they are what their sources make, and what their README says works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import utils as schemas  # type: ignore[import-untyped]  # it comes without types

from deploy.source import __main__ as command
from deploy.source import files as made
from deploy.source.files import ROOT, copies, files
from deploy.source.manifests import FORMS, NAMESPACE
from tests.charts import Document, configuration, exporter, of_kind, pod, the

KUBERNETES = ROOT / "deploy" / "kubernetes"
README = (KUBERNETES / "README.md").read_text("utf-8")
FILES = dict(files())
ALTERNATIVES = {"central": {"podmonitor.yaml"}, "sidecar": set[str]()}

each_form = pytest.mark.parametrize("form", FORMS)


def documents(form: str) -> list[Document]:
    paths = sorted(path for path in (KUBERNETES / form).glob("*.yaml") if path.name != "kustomization.yaml")
    return [document for path in paths for document in yaml.safe_load_all(path.read_text("utf-8"))]


def kustomization(form: str) -> Document:
    found: Document = yaml.safe_load((KUBERNETES / form / "kustomization.yaml").read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_file_is_what_its_source_makes(path: Path) -> None:
    assert (ROOT / path).read_bytes() == FILES[path], "run `make manifests`"


def test_no_file_is_left_over() -> None:
    found = {path for path in (ROOT / "deploy" / "helm" / "files").rglob("*") if path.is_file()}
    found |= {path for path in KUBERNETES.glob("*/*") if path.name != "kustomization.yaml"}
    assert {path.relative_to(ROOT) for path in found} == {*FILES}


def test_the_check_names_what_differs_and_making_it_mends_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "files", lambda: [*copies()][:2])
    assert command.main(["--check"]) == 1
    assert capsys.readouterr().out == "deploy/helm/files/rules.yaml\ndeploy/helm/files/alerts.yaml\n"
    assert command.main([]) == 0
    assert (tmp_path / "deploy/helm/files/rules.yaml").read_bytes() == (ROOT / "prometheus/rules.yaml").read_bytes()
    capsys.readouterr()
    assert command.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_each_dashboard_and_both_files_of_rules_are_copied() -> None:
    assert len([*copies()]) == 2 + len([*(made.ROOT / "grafana" / "dashboards").glob("*.json")])


@each_form
def test_nothing_of_helm_is_left(form: str) -> None:
    for path in (KUBERNETES / form).glob("*.yaml"):
        assert not re.search(r"helm\.sh|managed-by|# Source|\{\{-", path.read_text("utf-8")), path


@each_form
def test_the_kustomization_lists_every_file_but_the_alternatives(form: str) -> None:
    names = {path.name for path in (KUBERNETES / form).glob("*.yaml")} - {"kustomization.yaml"}
    assert {*kustomization(form)["resources"]} == names - ALTERNATIVES[form]
    assert kustomization(form)["namespace"] == NAMESPACE


def test_the_alternative_stands_in_the_kustomization_as_one() -> None:
    text = (KUBERNETES / "central" / "kustomization.yaml").read_text("utf-8")
    assert "# - podmonitor.yaml # in place of servicemonitor.yaml" in text


def test_central_has_everything_around_one_exporter() -> None:
    kinds = sorted(it["kind"] for it in documents("central"))
    others = ["NetworkPolicy", "PodMonitor", "PrometheusRule", "Service", "Service", "ServiceMonitor", "StatefulSet"]
    assert kinds == ["ConfigMap"] * 6 + others
    assert f"smsbat-exporter-api.{NAMESPACE}.svc" in configuration(documents("central"))


def test_sidecar_has_an_application_with_three_probes_beside_it() -> None:
    container = exporter(documents("sidecar"))
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert [it["name"] for it in pod(documents("sidecar"))["containers"]] == ["application"]
    assert the(documents("sidecar"), "PodMonitor")
    assert of_kind(documents("sidecar"), "Service") == []


@each_form
def test_the_configuration_can_be_reloaded_as_the_readme_says(form: str) -> None:
    assert "--web.enable-lifecycle" in exporter(documents(form))["args"]


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_the_manifests_of_the_readme_are_valid(text: str) -> None:
    schemas.validate(yaml.safe_load(text), schemas.latest_version(), strict=True)


def test_the_names_of_the_readme_exist() -> None:
    assert (
        re.findall(r"statefulset/([\w-]+)", README)
        == [the(documents("central"), "StatefulSet")["metadata"]["name"]] * 2
    )
    (secret,) = {
        it["secret"]["secretName"] for form in FORMS for it in pod(documents(form))["volumes"] if "secret" in it
    }
    assert set(re.findall(r"create secret generic ([\w-]+) --from-file=api-key", README)) == {secret}
    assert the(documents("central"), "Service", "smsbat-exporter-api")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_every_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (KUBERNETES / target).is_file()

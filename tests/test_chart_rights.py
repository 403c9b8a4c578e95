"""What the chart's pods may do: as little as they can, and no other container reads the exporter's secrets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts import CASES, containers, exporter, pod, rendered

each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)


@each_case
def test_the_exporter_has_no_rights(values: dict[str, Any]) -> None:
    assert exporter(rendered(values))["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@each_case
def test_every_container_has_a_limit_of_memory_and_cannot_write_its_root(values: dict[str, Any]) -> None:
    for container in containers(rendered(values)):
        assert "memory" in container["resources"]["limits"], container["name"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, container["name"]


def test_the_example_application_has_no_rights_either() -> None:
    (application,) = pod(rendered({"mode": "sidecar"}))["containers"]
    ours = exporter(rendered({}))["securityContext"]
    theirs = application["securityContext"]
    assert theirs == {**{key: ours[key] for key in theirs}, "runAsUser": 65535}
    assert theirs.keys() == ours.keys() - {"runAsGroup"}


@each_case
def test_only_an_application_that_asks_for_it_gets_the_token_of_a_service_account(values: dict[str, Any]) -> None:
    asked = values.get("sidecar", {}).get("automountServiceAccountToken", False)
    assert pod(rendered(values))["automountServiceAccountToken"] is asked


@each_case
def test_secrets_are_directories_that_only_the_exporter_can_read(values: dict[str, Any]) -> None:
    spec = pod(rendered(values))
    secrets = {it["name"]: it["secret"] for it in spec["volumes"] if "secret" in it}
    assert {it["defaultMode"] for it in secrets.values()} == {0o440}
    assert spec["securityContext"]["fsGroup"] == 65532
    for container in containers(rendered(values)):
        mounts = [it for it in container.get("volumeMounts", []) if it["name"] in secrets]
        assert bool(mounts) == (container["name"] == "smsbat-exporter")
        assert all(it["readOnly"] for it in mounts)


@each_case
def test_nothing_is_mounted_by_a_sub_path_which_would_never_change(values: dict[str, Any]) -> None:
    assert [it for it in exporter(rendered(values))["volumeMounts"] if "subPath" in it] == []

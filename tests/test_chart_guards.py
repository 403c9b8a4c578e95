"""What the chart refuses, and that it says what to do instead."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.source.helm import HelmError, template
from tests.charts import rendered

REFUSED = {
    "two central exporters": (
        {"replicas": 2},
        (
            "replicas is 2, but mode central runs exactly one exporter: two cannot share a store, and with a "
            "store each would know only its share of the messages. Leave replicas at 1 and raise resources; for "
            "an exporter in each of an application's pods set mode=sidecar."
        ),
    ),
    "no central exporter": ({"replicas": 0}, "replicas is 0, but mode central runs exactly one exporter"),
    "two central exporters on an existing claim": (
        {"replicas": 2, "persistence": {"existingClaim": "state"}},
        "replicas is 2, but mode central runs exactly one exporter",
    ),
    "two monitors": (
        {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}},
        (
            "serviceMonitor.enabled and podMonitor.enabled are both true: the exporter would be scraped twice, "
            "and every message counted twice. Enable one of them."
        ),
    ),
    "a secret without the API's token": (
        {"secret": {"api-key": "made-up"}},
        (
            "secret has no api-token, but in mode central callers of the API need one: set secret.api-token, or "
            "better leave secret empty and name a Secret that is there already in existingSecret."
        ),
    ),
    "webhooks that nobody may send": (
        {"webhook": {"enabled": True}},
        (
            "webhook.enabled is true, but no account in config.accounts has a webhook_token_file, so the exporter"
            " would not listen: give one, such as /run/secrets/smsbat/webhook-token."
        ),
    ),
    "several sidecars on one claim": (
        {"mode": "sidecar", "replicas": 2, "persistence": {"existingClaim": "state"}},
        (
            "replicas is 2, but persistence.existingClaim is one store, and two exporters cannot share it. Leave "
            "existingClaim empty, so that each pod has a store of its own (sidecar.volume), or replicas at 1."
        ),
    ),
    "a rolling update of a sidecar on one claim": (
        {
            "mode": "sidecar",
            "persistence": {"existingClaim": "state"},
            "sidecar": {"strategy": {"type": "RollingUpdate"}},
        },
        (
            "sidecar.strategy.type is not Recreate, but with persistence.existingClaim the new pod's exporter "
            "would find the store in use by the old one's. Leave sidecar.strategy empty, or existingClaim."
        ),
    ),
    "a ServiceMonitor without a Service": (
        {"mode": "sidecar", "serviceMonitor": {"enabled": True}},
        (
            "serviceMonitor.enabled is true, but mode sidecar has no Service for the exporter: set "
            "podMonitor.enabled in its place."
        ),
    ),
    "webhooks for one of many": (
        {"mode": "sidecar", "webhook": {"enabled": True}},
        (
            "webhook.enabled is true, but in mode sidecar a webhook would reach the exporter of any pod, and only"
            " one knows the message: use mode central for webhooks."
        ),
    ),
    "a policy that cuts off the application": (
        {"mode": "sidecar", "networkPolicy": {"enabled": True}},
        (
            "networkPolicy.enabled is true, but in mode sidecar it would cut off the application as well, which "
            "is in the same pod: let the application's own policy allow 10767 in, and 53 and 443 out."
        ),
    ),
    "a PodMonitor for pods of nobody": (
        {"mode": "sidecar", "sidecar": {"containers": []}, "podMonitor": {"enabled": True}},
        (
            "podMonitor.matchLabels is empty, but with sidecar.containers empty another chart makes the pods: set"
            " the labels that they have."
        ),
    ),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(values)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"replica": 2}, "Additional property replica is not allowed"),
        ({"persistence": {"exisitingClaim": "state"}}, "Additional property exisitingClaim is not allowed"),
        ({"sidecar": {"container": []}}, "Additional property container is not allowed"),
        ({"webhook": {"service": {"port": 1}}}, "Additional property port is not allowed"),
        ({"mode": "both"}, "mode must be one of the following"),
        ({"replicas": "2"}, "replicas: Invalid type. Expected: integer, given: string"),
        ({"replicas": -1}, "replicas: Must be greater than or equal to 0"),
        ({"image": {"digest": "latest"}}, "image.digest: Does not match pattern"),
        ({"existingSecret": ""}, "existingSecret: String length must be greater than or equal to 1"),
        ({"secret": {"api-key": 5}}, "secret.api-key: Invalid type"),
        ({"serviceMonitor": {"interval": "15"}}, "serviceMonitor.interval: Does not match pattern"),
        ({"config": {"accounts": None}}, "accounts is required"),
        ({"config": {"accounts": {"main": {}}}}, "config.accounts: Invalid type"),
        ({"terminationGracePeriodSeconds": 3}, "terminationGracePeriodSeconds: Must be greater than or equal to 10"),
    ],
)
def test_the_schema_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as refused:
        rendered(values)
    assert message in str(refused.value)


def test_several_sidecars_may_run_on_stores_of_their_own() -> None:
    for volume in ("emptyDir", "ephemeral"):
        assert rendered({"mode": "sidecar", "replicas": 9, "sidecar": {"volume": volume}})


def test_a_token_of_the_users_needs_no_other_one() -> None:
    config = {"api": {"token_file": "/run/secrets/smsbat/other"}}
    assert rendered({"secret": {"api-key": "made-up", "other": "made-up"}, "config": config})


def test_a_kubernetes_without_native_sidecars_is_refused() -> None:
    with pytest.raises(HelmError, match=r"requires kubeVersion: >=1\.29\.0-0"):
        template("x", "--kube-version", "1.28.15")
    assert template("x", "--kube-version", "1.29.0-eks-1")

"""Renders the chart with values, as a user would, and finds things in what came out."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.source.helm import CHART, template

Document = dict[str, Any]

DEFAULTS: Final[Document] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
NAMESPACE: Final = "smsbat"

_ACCOUNT: Final = {"name": "main", "auth": {"method": "header", "api_key_file": "/run/secrets/smsbat/api-key"}}
WEBHOOK: Final[Document] = {
    "webhook": {"enabled": True},
    "config": {"accounts": [{**_ACCOUNT, "webhook_token_file": "/run/secrets/smsbat/webhook-token"}]},
}
_CREDENTIALS: Final = {"username": {"name": "web", "key": "user"}, "password": {"name": "web", "key": "password"}}
_MONITOR: Final[Document] = {
    "enabled": True,
    "labels": {"release": "prometheus"},
    "tlsConfig": {"insecureSkipVerify": True},
    "basicAuth": _CREDENTIALS,
}
_EXTRAS: Final[Document] = {
    "image": {"repository": "registry.example/exporter", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "web": {"existingConfigSecret": "web", "enableLifecycle": True},
    "extraEnv": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://tempo.tracing:4318"}],
    "extraVolumes": [{"name": "outbox", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "outbox", "mountPath": "/outbox", "readOnly": True}],
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "podLabels": {"team": "messages"},
    "serviceAccountName": "smsbat",
    "priorityClassName": "important",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]}}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "SMSBat"}},
}

CENTRAL: Final[Mapping[str, Document]] = {
    "central": {},
    "central on a claim that is there": {"persistence": {"existingClaim": "state"}},
    "central, claim of a class": {"persistence": {"storageClassName": "fast", "accessModes": ["ReadWriteOncePod"]}},
    "central with webhooks": WEBHOOK,
    "central with users but no TLS": {"web": {"existingConfigSecret": "web", "tls": False}},
    "central with a Secret of the chart": {"secret": {"api-key": "made-up", "api-token": "made-up"}},
    "central that is reloaded": {"rollOnConfigChange": False, "web": {"enableLifecycle": True}},
    "central with a PodMonitor": {"podMonitor": {"enabled": True}},
    "central with everything": {
        **_EXTRAS,
        **WEBHOOK,
        "webhook": {"enabled": True, "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}},
        "service": {"api": {"type": "NodePort", "annotations": {"a": "b"}}, "web": {"annotations": {"a": "b"}}},
        "serviceMonitor": _MONITOR,
        "networkPolicy": {
            "enabled": True,
            "extraEgress": [
                {"to": [{"ipBlock": {"cidr": "10.0.0.9/32"}}], "ports": [{"protocol": "TCP", "port": 4318}]}
            ],
        },
    },
}
SIDECAR: Final[Mapping[str, Document]] = {
    "sidecar": {"mode": "sidecar"},
    "sidecars with claims that come and go": {"mode": "sidecar", "replicas": 3, "sidecar": {"volume": "ephemeral"}},
    "sidecar on a claim that is there": {"mode": "sidecar", "persistence": {"existingClaim": "state"}},
    "sidecar with TLS": {"mode": "sidecar", "web": {"existingConfigSecret": "web"}},
    "sidecar without the relay": {"mode": "sidecar", "config": {"relay": None}},
    "sidecars with everything": {
        **_EXTRAS,
        "mode": "sidecar",
        "replicas": 5,
        "podMonitor": _MONITOR,
        "sidecar": {
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "containers": [
                {
                    "name": "shop",
                    "image": "shop:1",
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "resources": {"limits": {"memory": "64Mi"}},
                    "securityContext": {"readOnlyRootFilesystem": True},
                    "volumeMounts": [{"name": "outbox", "mountPath": "/outbox"}],
                }
            ],
            "initContainers": [
                {
                    "name": "migrate",
                    "image": "shop:1",
                    "resources": {"limits": {"memory": "64Mi"}},
                    "securityContext": {"readOnlyRootFilesystem": True},
                }
            ],
            "automountServiceAccountToken": True,
        },
    },
}
CASES: Final[Mapping[str, Document]] = {**CENTRAL, **SIDECAR}


def flags(values: Document) -> list[str]:
    """Return values as Helm's flags."""
    return [f"--set-json={key}={json.dumps(value)}" for key, value in values.items()]


def rendered(values: Document, release: str = "x", chart: Path = CHART) -> list[Document]:
    """Return what a release with these values consists of."""
    return list(_rendered(json.dumps(values), release, chart))


@functools.cache
def _rendered(values: str, release: str, chart: Path) -> tuple[Document, ...]:
    text = template(release, "--namespace", NAMESPACE, *flags(json.loads(values)), chart=chart)
    return tuple(document for document in yaml.safe_load_all(text) if document)


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """Return the documents of a kind."""
    return [document for document in documents if document["kind"] == kind]


def the(documents: list[Document], kind: str, name: str | None = None) -> Document:
    """Return the only document of a kind, or of a kind and name."""
    (found,) = (it for it in of_kind(documents, kind) if name in {None, it["metadata"]["name"]})
    return found


def workload(documents: list[Document]) -> Document:
    """Return the StatefulSet or the Deployment."""
    (found,) = (it for it in documents if it["kind"] in {"StatefulSet", "Deployment"})
    return found


def pod(documents: list[Document]) -> Document:
    """Return the pod's specification."""
    spec: Document = workload(documents)["spec"]["template"]["spec"]
    return spec


def containers(documents: list[Document]) -> Iterator[Document]:
    """Yield the pod's containers, init containers and sidecars included."""
    spec = pod(documents)
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def exporter(documents: list[Document]) -> Document:
    """Return the exporter's container."""
    (found,) = (it for it in containers(documents) if it["name"] == "smsbat-exporter")
    return found


def configuration(documents: list[Document]) -> str:
    """Return the exporter's configuration as it is mounted."""
    (text,) = (it["data"]["config.yaml"] for it in of_kind(documents, "ConfigMap") if "config.yaml" in it["data"])
    return str(text)


def listeners(documents: list[Document]) -> dict[str, int]:
    """Return the ports of the exporter's container by their names."""
    return {port["name"]: port["containerPort"] for port in exporter(documents)["ports"]}

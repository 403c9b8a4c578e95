"""The plain manifests: what the chart renders, a file a template, without what only Helm needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from deploy.source.helm import by_template, template

NAMESPACE: Final = "smsbat"
_VALUES: Final = Path(__file__).parent
_HEAD: Final = "# Made from deploy/helm by `make manifests`.\n"
_ONLY_HELMS: Final = ("helm.sh/chart:", "app.kubernetes.io/managed-by:", "app.kubernetes.io/version:")


class Form(NamedTuple):
    """One folder of manifests."""

    release: str
    values: str
    also: tuple[str, ...] = ()
    """Flags of a second rendering, for what the chart does not give together with the rest."""


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "central": Form(
            "smsbat-exporter", "central.yaml", ("--set=serviceMonitor.enabled=false,podMonitor.enabled=true",)
        ),
        "sidecar": Form("application", "sidecar.yaml"),
    }
)


def manifests(form: Form) -> Mapping[str, str]:
    """Return the files of a folder by their names."""
    made: dict[str, str] = {}
    for flags in ((), form.also) if form.also else ((),):
        made |= _files(
            template(form.release, "--namespace", NAMESPACE, "--values", str(_VALUES / form.values), *flags), made
        )
    return made


def _files(rendered: str, known: Mapping[str, str]) -> Mapping[str, str]:
    """Return the documents of each template that is not known yet."""
    found: dict[str, list[str]] = {}
    for name, text in by_template(rendered):
        if name not in known:
            found.setdefault(name, []).append("".join(_plain(text)))
    return {name: _HEAD + "---\n".join(texts) for name, texts in found.items()}


def _plain(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith(_ONLY_HELMS):
            yield line

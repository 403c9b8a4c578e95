"""Every file that is made here, as its path below the project and its content, in the order to write them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.source.manifests import FORMS, manifests

ROOT: Final = Path(__file__).parents[2]
_CHARTS: Final = Path("deploy/helm/files")

File = tuple[Path, bytes]


def copies() -> Iterator[File]:
    """Yield what the chart needs from elsewhere: Helm reads no file outside of a chart."""
    for name in ("rules.yaml", "alerts.yaml"):
        yield _CHARTS / name, (ROOT / "prometheus" / name).read_bytes()
    for dashboard in sorted((ROOT / "grafana" / "dashboards").glob("*.json")):
        yield _CHARTS / "dashboards" / dashboard.name, dashboard.read_bytes()


def files() -> Iterator[File]:
    """Yield them all; the manifests are rendered when their turn comes, from the copies that were written before."""
    yield from copies()
    for folder, form in FORMS.items():
        for name, text in manifests(form).items():
            yield Path("deploy/kubernetes") / folder / name, text.encode()

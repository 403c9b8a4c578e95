"""Renders the chart."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

CHART: Final = Path(__file__).parents[1] / "helm"
_HELM: Final = Path(sys.executable).parent / "helm"
_SOURCE: Final = re.compile(r"^---\n# Source: smsbat-exporter/templates/(\S+)\n", re.MULTILINE)


class HelmError(Exception):
    """Helm refused; the text is what it said."""


def helm(*arguments: str) -> str:
    """Run the Helm of this environment; return what it printed, raise HelmError when it refuses."""
    # Fixed words and paths of this project.
    done = subprocess.run([_HELM, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise HelmError(done.stdout + done.stderr)
    return done.stdout


def template(release: str, *arguments: str, chart: Path = CHART) -> str:
    """Render the chart as a release; raise HelmError when it refuses."""
    return helm("template", release, str(chart), *arguments)


def by_template(rendered: str) -> Iterable[tuple[str, str]]:
    """Part what was rendered into the names of the templates and the text of each document."""
    pieces = _SOURCE.split(rendered)
    return zip(pieces[1::2], pieces[2::2], strict=True)

"""Writes the status page as HTML; importing this takes the template engine, so it waits for the first visitor."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter.web import figures

if TYPE_CHECKING:
    from exporter.web.status import StatusPage

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.filters.update({
    made.__name__: made
    for made in (
        *(figures.count, figures.percent, figures.rate, figures.duration, figures.interval, figures.ago),
        *(figures.money, figures.moment, figures.day_and_time, figures.timestamp, figures.shares),
    )
})  # fmt: skip
_STYLE: Final = _TEMPLATES.get_template("status.css").render()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Goes with the page: nothing but its own style is loaded or run."""


def render(page: StatusPage) -> str:
    """Write the page; everything in it is escaped."""
    return _TEMPLATES.get_template("status.html").render(page=page, tracking=page.tracking)

"""Writes the first page: what runs here, whether it is well, and where to look."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}"
    "h1{font-size:1.5rem}dt{font-weight:600}dd{margin:0 0 .75rem}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

CONTENT_SECURITY_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Goes with the page: nothing but its own style is loaded or run."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>smsbat-exporter</title>
<style>{style}</style>
</head>
<body>
<h1>smsbat-exporter</h1>
<p>Prometheus exporter that follows SMSBat messages to their end.</p>
<dl>
<dt>Version</dt><dd>{version}</dd>
<dt>Ready</dt><dd>{ready}</dd>
<dt>Health</dt>{health}
</dl>
<ul>
<li><a href="/metrics">Metrics</a></li>
<li><a href="/-/healthy">Health</a></li>
<li><a href="/-/ready">Readiness</a></li>
</ul>
</body>
</html>
"""


def first_page(version: str, problems: Sequence[str], *, is_ready: bool) -> str:
    """Write the page as HTML; every argument is escaped."""
    return _PAGE.format(
        style=_STYLE,
        version=html.escape(version),
        ready="yes" if is_ready else "no, loading",
        health="".join(f"<dd>{html.escape(line)}</dd>" for line in problems or ("healthy",)),
    )

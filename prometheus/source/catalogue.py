"""All groups, records and alerts."""

from __future__ import annotations

from typing import Final

from prometheus.source import delivery, objectives, process, spending, upstream

GROUPS: Final = (delivery.GROUP, objectives.GROUP, spending.GROUP, upstream.GROUP, process.GROUP)
RECORDS: Final = {record.name: record for group in GROUPS for record in group.records}
ALERTS: Final = {alert.name: alert for group in GROUPS for alert in group.alerts}

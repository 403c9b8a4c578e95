"""The tests of each alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prometheus.source.cases import delivery, objectives, process, spending, upstream
from prometheus.source.cases.values import Case

CASES: Final[Mapping[str, tuple[Case, ...]]] = {
    "SmsbatDeliveryRateLow": delivery.RATE_LOW,
    "SmsbatNoDelivery": delivery.NO_DELIVERY,
    "SmsbatDeliverySlow": delivery.DELIVERY_SLOW,
    "SmsbatStuckInFlight": delivery.STUCK,
    "SmsbatObjectiveBurnFast": objectives.FAST,
    "SmsbatObjectiveBurnSlow": objectives.SLOW,
    "SmsbatFallbackShareHigh": spending.FALLBACK_SHARE,
    "SmsbatCostSpike": spending.COST,
    "SmsbatApiDown": upstream.API_DOWN,
    "SmsbatCredentialsRefused": upstream.CREDENTIALS,
    "SmsbatRateLimited": upstream.RATE_LIMITED,
    "SmsbatDemandAboveBudget": upstream.DEMAND,
    "SmsbatWebhooksMissed": upstream.WEBHOOKS,
    "SmsbatStoreFailing": process.STORE,
    "SmsbatLabelSetsOverflowing": process.LABELS,
    "SmsbatReloadFailed": process.RELOAD,
    "SmsbatExporterDown": process.DOWN,
    "SmsbatExporterAbsent": process.ABSENT,
}

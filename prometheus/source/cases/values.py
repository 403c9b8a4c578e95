"""A unit test as a value: series over the minutes, and all alerts that fire at some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from exporter.catalogue import Metric

Series = Mapping[str, str]
"""Prometheus' notation of a series, and of its values."""

INSTANCE: Final = "10.0.0.1:10767"
_TARGET: Final = {"job": "smsbat", "instance": INSTANCE}
_USUAL: Final = {"account": "main", "channel": "viber_otp", "campaign": "spring"}


class Firing(msgspec.Struct, frozen=True):
    """An alert that fires, with its labels but for name and severity."""

    alert: str
    labels: Mapping[str, str]


class Case(msgspec.Struct, frozen=True):
    """One test; `at` says which alerts of the whole catalogue fire how many minutes in, and that no others do."""

    name: str
    series: Series
    at: Mapping[int, tuple[Firing, ...]]
    target: bool = True
    """Whether an exporter is scraped all the time."""
    step: int = 1
    """Minutes between values, and between evaluations."""

    def fed(self) -> dict[str, str]:
        """Return all series, those of a scraped exporter among them."""
        values = max(self.at) // self.step
        return {**(there(values) if self.target else {}), **self.series}


def series(metric: Metric, values: str, *, suffix: str = "", **labels: str) -> dict[str, str]:
    """Return one series of a metric with all its labels; `campaign` is a configured one."""
    names = (*metric.label_names(("campaign",), on_histograms=False), *(["le"] if suffix == "_bucket" else []))
    own = {name: labels[name] if name in labels else _USUAL[name] for name in names}
    if unknown := set(labels) - set(own) - set(_TARGET):
        raise ValueError(f"{metric.name} has no label {sorted(unknown)}")
    target = {name: labels.get(name, value) for name, value in _TARGET.items()}
    return {written(f"{metric.name}{suffix}", {**target, **own}): values}


def there(values: int, up: str = "", **labels: str) -> dict[str, str]:
    """Return the series of an exporter that is scraped so many times."""
    target = {**_TARGET, **labels}
    build = {"version": "1", "revision": "1", "python": "3"}
    always = f"1x{values}"
    return {
        written("up", target): up or always,
        written("smsbat_exporter_build_info", {**target, **build}): up.replace("0x", "_x") or always,
    }


def written(name: str, labels: Mapping[str, str]) -> str:
    """Return a series as Prometheus writes it."""
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def nothing_at_all(alert: str, step: int = 1) -> Case:
    """Return the test that an alert does not fire without any data: one alert says that there is none."""
    return Case(f"{alert}: no data", {}, {120: (Firing("SmsbatExporterAbsent", {}),)}, target=False, step=step)

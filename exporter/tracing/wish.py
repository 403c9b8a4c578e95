"""What the configuration and the standard OTEL_* variables ask for, without importing OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exporter.trace_ids import Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exporter.config import Tracing

_EXPORTERS: Final = frozenset({"otlp", "console"})
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_RATIO_SAMPLERS: Final = {"traceidratio": False, "parentbased_traceidratio": True}
_SAMPLERS: Final = {
    "always_on": Sampling(1.0, heeds_parent=False),
    "always_off": Sampling(0.0, heeds_parent=False),
    "parentbased_always_on": Sampling(1.0),
    "parentbased_always_off": Sampling(0.0),
}


class Wish(msgspec.Struct, frozen=True):
    """Where spans go, and of which messages they are made."""

    exporters: frozenset[str]
    """`otlp`, `console`."""
    sampling: Sampling


def wished(tracing: Tracing, environ: Mapping[str, str]) -> tuple[Wish | None, list[str]]:
    """Return what is asked for, None for no traces, and what is wrong with it, a line each.

    A variable that cannot be followed switches traces off, or is left out, as OpenTelemetry's specification says: it is
    often set for a whole cluster, and no reason not to run.
    """
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    if given.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None, []
    named = frozenset(part.strip() for part in given.get("OTEL_TRACES_EXPORTER", "").split(",") if part.strip())
    if "none" in named or not (tracing.enabled or named or any(name in given for name in _ENDPOINTS)):
        return None, []
    exporters = named or frozenset({"otlp"})
    if unknown := sorted(exporters - _EXPORTERS):
        return None, [f"OTEL_TRACES_EXPORTER: {', '.join(unknown)} is not otlp, console or none; no traces are made"]
    named_by = next((name for name in _PROTOCOLS if name in given), None)
    if "otlp" in exporters and named_by is not None and given[named_by] != _PROTOCOL:
        return None, [f"{named_by}: {given[named_by]} is not {_PROTOCOL}; no traces are made"]
    sampling, problems = _sampling(tracing, given)
    return Wish(exporters, sampling), problems


def _sampling(tracing: Tracing, given: Mapping[str, str]) -> tuple[Sampling, list[str]]:
    configured = Sampling(tracing.sample_ratio)
    name = given.get("OTEL_TRACES_SAMPLER", "").lower()
    if name in _SAMPLERS:
        return _SAMPLERS[name], []
    if name in _RATIO_SAMPLERS:
        ratio = _ratio(given.get("OTEL_TRACES_SAMPLER_ARG", "1"))
        if ratio is None:
            return configured, ["OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1; tracing.sample_ratio is used"]
        return Sampling(ratio, heeds_parent=_RATIO_SAMPLERS[name]), []
    if name:
        return configured, [f"OTEL_TRACES_SAMPLER: {name} is not known; tracing.sample_ratio is used"]
    return configured, []


def _ratio(text: str) -> float | None:
    try:
        ratio = float(text)
    except ValueError:
        return None
    return ratio if 0.0 <= ratio <= 1.0 else None

"""What the configuration and the OTEL_* variables ask for."""

from __future__ import annotations

import pytest

from exporter.config import Tracing
from exporter.trace_ids import Sampling
from exporter.tracing.wish import Wish, wished

OFF, ON = Tracing(), Tracing(enabled=True, sample_ratio=0.25)
TENTH, QUARTER = Sampling(0.1), Sampling(0.25)
OTLP, CONSOLE = frozenset({"otlp"}), frozenset({"console"})
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("tracing", "environ", "wish"),
    [
        (OFF, {}, None),
        (ON, {}, Wish(OTLP, QUARTER)),
        (OFF, ENDPOINT, Wish(OTLP, TENTH)),
        (OFF, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/x"}, Wish(OTLP, TENTH)),
        (OFF, {"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, None),
        (OFF, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318"}, None),
        (OFF, {"OTEL_SERVICE_NAME": "sms"}, None),
        (OFF, {"OTEL_TRACES_EXPORTER": "otlp"}, Wish(OTLP, TENTH)),
        (OFF, {"OTEL_TRACES_EXPORTER": "console"}, Wish(CONSOLE, TENTH)),
        (ON, {"OTEL_TRACES_EXPORTER": " otlp , console "}, Wish(OTLP | CONSOLE, QUARTER)),
        (ON, {"OTEL_TRACES_EXPORTER": ""}, Wish(OTLP, QUARTER)),
        (ON, {"OTEL_TRACES_EXPORTER": "none"}, None),
        (OFF, {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, None),
        (ON, {"OTEL_TRACES_EXPORTER": "console,none"}, None),
        (ON, {"OTEL_SDK_DISABLED": "true"}, None),
        (OFF, {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"}, None),
        (ON, {"OTEL_SDK_DISABLED": "false"}, Wish(OTLP, QUARTER)),
        (ON, {"OTEL_SDK_DISABLED": "1"}, Wish(OTLP, QUARTER)),
        (ON, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, Wish(OTLP, QUARTER)),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            Wish(OTLP, QUARTER),
        ),
        (ON, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_EXPORTER": "console"}, Wish(CONSOLE, QUARTER)),
    ],
)
def test_traces_are_off_unless_configured_or_an_endpoint_is_set(
    tracing: Tracing, environ: dict[str, str], wish: Wish | None
) -> None:
    assert wished(tracing, environ) == (wish, [])


@pytest.mark.parametrize(
    ("sampler", "argument", "sampling"),
    [
        ("", "0.5", QUARTER),
        ("always_on", "0.5", Sampling(1.0, heeds_parent=False)),
        ("always_off", None, Sampling(0.0, heeds_parent=False)),
        ("traceidratio", "0.5", Sampling(0.5, heeds_parent=False)),
        ("traceidratio", None, Sampling(1.0, heeds_parent=False)),
        ("parentbased_always_on", None, Sampling(1.0)),
        ("parentbased_always_off", None, Sampling(0.0)),
        ("parentbased_traceidratio", " 0.5 ", Sampling(0.5)),
        ("PARENTBASED_TRACEIDRATIO", "0", Sampling(0.0)),
        ("parentbased_traceidratio", None, Sampling(1.0)),
    ],
)
def test_the_standard_samplers_win_over_the_configured_ratio(
    sampler: str, argument: str | None, sampling: Sampling
) -> None:
    environ = {"OTEL_TRACES_SAMPLER": sampler}
    if argument is not None:
        environ["OTEL_TRACES_SAMPLER_ARG"] = argument
    assert wished(ON, environ) == (Wish(OTLP, sampling), [])


@pytest.mark.parametrize("argument", ["x", "-0.1", "1.1", "nan", "inf"])
def test_a_bad_ratio_leaves_the_configured_one_and_says_so(argument: str) -> None:
    environ = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument}
    wish, problems = wished(ON, environ)
    assert wish == Wish(OTLP, QUARTER)
    assert problems == ["OTEL_TRACES_SAMPLER_ARG: is not a number from 0 to 1; tracing.sample_ratio is used"]


def test_an_unknown_sampler_leaves_the_configured_ratio_and_says_so() -> None:
    wish, problems = wished(ON, {"OTEL_TRACES_SAMPLER": "xray"})
    assert wish == Wish(OTLP, QUARTER)
    assert problems == ["OTEL_TRACES_SAMPLER: xray is not known; tracing.sample_ratio is used"]


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"OTEL_TRACES_EXPORTER": "zipkin,otlp,jaeger"},
            "OTEL_TRACES_EXPORTER: jaeger, zipkin is not otlp, console or none; no traces are made",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not http/protobuf; no traces are made",
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: http/json is not http/protobuf; no traces are made",
        ),
    ],
)
def test_what_cannot_be_done_switches_traces_off_and_is_said(environ: dict[str, str], problem: str) -> None:
    assert wished(ON, environ) == (None, [problem])

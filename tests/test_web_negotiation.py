"""Format and encoding: tables of headers beside what they get, and totality."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import Format, accepts_gzip, metrics_format

TEXT = Format.TEXT
OPENMETRICS = Format.OPENMETRICS

PROMETHEUS_2_42 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_WITH_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "escaping=allow-utf-8;q=0.7," + PROMETHEUS_3
)
PROMETHEUS_3_TOLD_TO_PREFER_TEXT = (
    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.4"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        pytest.param(PROMETHEUS_2_42, OPENMETRICS, id="prometheus-2.42"),
        pytest.param(PROMETHEUS_3, OPENMETRICS, id="prometheus-3"),
        pytest.param(PROMETHEUS_3_WITH_PROTOBUF, OPENMETRICS, id="prometheus-3-protobuf"),
        pytest.param(PROMETHEUS_3_TOLD_TO_PREFER_TEXT, TEXT, id="prometheus-3-text-first"),
        pytest.param(FIREFOX, TEXT, id="browser"),
        pytest.param("*/*", TEXT, id="curl"),
        pytest.param("", TEXT, id="no-header"),
    ],
)
def test_real_clients_get_the_format_they_want(accept: str, expected: Format) -> None:
    assert metrics_format(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;escaping=values", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.1", OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=abc", TEXT),
        ("application/openmetrics-text;version=", TEXT),
        ("text/plain;version=1.0.0", TEXT),
        ("application/json", TEXT),
    ],
)
def test_only_our_versions_match_and_text_is_what_is_left(accept: str, expected: Format) -> None:
    assert metrics_format(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text;q=0.2,text/plain;q=0.3", TEXT),
        ("text/plain;q=0.2,application/openmetrics-text;q=0.3", OPENMETRICS),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("text/plain,application/openmetrics-text", TEXT),
        ("application/openmetrics-text,*/*", OPENMETRICS),
        ("*/*,application/openmetrics-text", TEXT),
        ("application/openmetrics-text;q=0,*/*;q=0.1", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/*", OPENMETRICS),
        ("application/*,application/openmetrics-text;q=0", TEXT),
        ("text/*;q=0.5,application/*;q=0.4", TEXT),
        ("text/plain;version=0.0.4;q=0,*/*", OPENMETRICS),
        ("text/plain,text/plain;version=0.0.4;q=0.1,application/openmetrics-text;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=1.000,text/plain;q=.9", OPENMETRICS),
    ],
)
def test_quality_decides_then_the_order_and_the_most_specific_range_counts(accept: str, expected: Format) -> None:
    assert metrics_format(accept) is expected


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;q=abc",
        "application/openmetrics-text;q=",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=1e0",
        ";;;,,,===",
        "application/openmetrics-text extra",
        "openmetrics-text",
    ],
)
def test_entries_that_make_no_sense_are_passed_over(accept: str) -> None:
    assert metrics_format(accept) is TEXT
    assert metrics_format(accept + ",application/openmetrics-text") is OPENMETRICS


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("zstd, gzip;q=0.5", True),
        ("gzip, deflate, br", True),
        ("*", True),
        ("deflate", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*;q=0", False),
        ("gzip, *;q=0", True),
        ("gzip;q=0.5, identity;q=1", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=much", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_taken_when_it_is_wanted_as_much_as_none(accept_encoding: str, expected: bool) -> None:  # noqa: FBT001
    assert accepts_gzip(accept_encoding) is expected


PIECES = st.sampled_from([*"*/;,=\"' .q01²٣\x00\udc80", "application/openmetrics-text", "gzip", "version="])
HEADER_LIKE = st.lists(PIECES).map("".join)


@given(st.text() | HEADER_LIKE)
def test_no_header_text_raises(header: str) -> None:
    assert metrics_format(header) in Format
    assert accepts_gzip(header) in {True, False}

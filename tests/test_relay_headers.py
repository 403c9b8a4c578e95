"""Which headers of a relayed request go out, and which of its answer come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.intake.relay.headers import coming_back, credentials_in, labels_in, outgoing, traceparent_in

ALLOWED = {"content-type", "content-encoding", "accept", "traceparent", "authorization", "x-authorization-key"}
FORBIDDEN = [
    *("Host", "Cookie", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Any"),
    *("baggage", "tracestate", "X-Smsbat-Labels", "X-Smsbat-Anything", "X-Exporter-Token"),
    *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection"),
    *("TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Content-Length"),
    *("Accept-Encoding", "Accept-Language", "User-Agent", "Origin", "Referer", "Via", "X-Real-IP", "Range"),
]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = st.sampled_from([*FORBIDDEN, *(name.title() for name in ALLOWED)]) | st.from_regex(
    r"[A-Za-z-]{1,20}", fullmatch=True
)
LISTS = st.lists(st.tuples(NAMES, st.text(max_size=20) | st.sampled_from(["accept, close", "Authorization,te"])))


@pytest.mark.parametrize("name", sorted(ALLOWED))
@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
def test_what_smsbat_needs_goes_out(name: str, spelled: type[str]) -> None:
    assert dict(outgoing(CIMultiDict([(spelled(name), " as it came "), ("Host", "a")]))) == {
        next(iter(outgoing(CIMultiDict([(name, "x")])))): " as it came "
    }


@pytest.mark.parametrize("name", FORBIDDEN)
def test_nothing_else_goes_out(name: str) -> None:
    assert not outgoing(CIMultiDict([(name, "value")]))


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_what_connection_names_is_for_the_next_hop_only(name: str) -> None:
    assert not outgoing(CIMultiDict([(name, "value"), ("Connection", f"close, {name.upper()} ,")]))
    assert "X-Own" not in coming_back(
        CIMultiDict([("X-Own", "value"), ("connection", "close"), ("Connection", "x-OWN")])
    )


@given(LISTS)
def test_of_any_headers_only_the_allowed_go_out_as_they_came(received: list[tuple[str, str]]) -> None:
    headers = CIMultiDict(received)
    named = {word.strip().lower() for value in headers.getall("Connection", ()) for word in value.split(",")}
    allowed = sorted((name.lower(), value) for name, value in received if name.lower() in ALLOWED - named)
    assert sorted((name.lower(), value) for name, value in outgoing(headers).items()) == allowed


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "Content-Encoding", "Retry-After", "ETag", "Cache-Control", "X-Request-Id", "Location", "Date"],
)
def test_what_is_for_both_ends_comes_back(name: str) -> None:
    assert coming_back(CIMultiDict([(name, "a"), (name, "b")])).getall(name) == ["a", "b"]


@pytest.mark.parametrize(
    "name",
    [
        *("Set-Cookie", "set-cookie2", "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection"),
        *("TE", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length"),
    ],
)
def test_cookies_and_what_is_for_one_hop_never_come_back(name: str) -> None:
    assert not coming_back(CIMultiDict([(name, "value")]))


def test_credentials_are_both_headers() -> None:
    headers = CIMultiDict([("authorization", "Basic eA=="), ("X-AUTHORIZATION-KEY", "k"), ("Accept", "*/*")])
    assert dict(credentials_in(headers)) == {"Authorization": "Basic eA==", "X-Authorization-Key": "k"}


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ([], {}),
        (["campaign=spring,team=red"], {"campaign": "spring", "team": "red"}),
        ([" campaign = spring ,, team=", "a=b"], {"campaign": "spring", "team": "", "a": "b"}),
        (["campaign", "=x", ","], {}),
        (["a=b=c"], {"a": "b=c"}),
        (["a=1,a=2"], {"a": "2"}),
        (["a=\udcff"], {"a": "\ufffd"}),
        (["a=\udcd1\udc8f"], {"a": "я"}),
    ],
)
def test_labels_are_pairs(lines: list[str], labels: dict[str, str]) -> None:
    assert labels_in(CIMultiDict([("x-smsbat-labels", line) for line in lines])) == labels


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("=,\udc80\udcff")))
def test_any_labels_can_be_stored(line: str) -> None:
    for name, value in labels_in(CIMultiDict([("X-Smsbat-Labels", line)])).items():
        assert (name + value).encode().decode() == name + value


@pytest.mark.parametrize(
    ("given_", "taken"),
    [
        ([TRACEPARENT], TRACEPARENT),
        ([TRACEPARENT, TRACEPARENT], None),
        ([], None),
        (["00-x"], None),
        ([TRACEPARENT.upper()], None),
        ([TRACEPARENT + "-more"], None),
    ],
)
def test_a_traceparent_is_one_and_a_proper_one(given_: list[str], taken: str | None) -> None:
    assert traceparent_in(CIMultiDict([("Traceparent", value) for value in given_])) == taken

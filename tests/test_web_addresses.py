"""Listen addresses: a table of what is read and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.addresses import Address, AddressError, UnixAddress, parse, parse_local


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (":10767", "", 10767),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("192.0.2.1:80", "192.0.2.1", 80),
        ("[::1]:80", "::1", 80),
        ("[0:0:0:0:0:0:0:1]:80", "::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("localhost:9", "localhost", 9),
        ("sms-exporter.example.com:65535", "sms-exporter.example.com", 65535),
    ],
)
def test_an_address_as_prometheus_writes_it_is_read(text: str, host: str, port: int) -> None:
    assert parse(text) == Address(host, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write host:port"),
        ("10767", "write host:port"),
        ("localhost", "write host:port"),
        ("localhost:", "write host:port"),
        ("::1:80", "write host:port"),
        ("a b:80", "write host:port"),
        (":http", "write host:port"),
        (":-1", "write host:port"),
        ("..:80", "write host:port"),
        ("a..b:80", "write host:port"),
        ("a" * 64 + ":80", "write host:port"),
        (":٣", "write host:port"),
        ("http://localhost:80", "write host:port"),
        (":80\n", "write host:port"),
        (":65536", "port 65536 is above 65535"),
        ("[localhost]:80", "'localhost' is no IPv6 address"),
        ("[]:80", "'' is no IPv6 address"),
        ("[127.0.0.1]:80", "'127.0.0.1' is no IPv6 address"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError) as raised:
        parse(text)
    assert str(raised.value).startswith(f"{text!r} is no listen address: ")
    assert reason in str(raised.value)


@pytest.mark.parametrize("text", [":10767", "[::]:10767"])
def test_no_host_and_the_empty_ipv6_address_mean_every_interface(text: str) -> None:
    assert parse(text).is_every_interface


@pytest.mark.parametrize("text", ["192.0.2.1:1", "127.0.0.1:1", "[::1]:1", "localhost:1"])
def test_a_host_means_that_host_alone(text: str) -> None:
    assert not parse(text).is_every_interface


@pytest.mark.parametrize("text", [":10767", "127.0.0.1:0", "[::1]:80", "localhost:9"])
def test_an_address_is_shown_as_it_was_written(text: str) -> None:
    assert str(parse(text)) == text


@given(st.text())
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = parse(text)
    except AddressError:
        return
    assert parse(str(address)) == address


def test_a_path_behind_unix_is_a_socket_of_this_machine() -> None:
    address = parse_local("unix:/run/smsbat-exporter/api.sock")
    assert address == UnixAddress(Path("/run/smsbat-exporter/api.sock"))
    assert str(address) == "unix:/run/smsbat-exporter/api.sock"
    assert parse_local("127.0.0.1:1") == Address("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("unix:", "write the path"), ("unix:a\nb", "write the path"), (f"unix:/{'x' * 103}", "longer than 103 bytes")],
)
def test_what_cannot_be_the_path_of_a_socket_is_refused(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason):
        parse_local(text)


def test_only_the_api_can_be_at_a_path() -> None:
    with pytest.raises(AddressError, match="write host:port"):
        parse("unix:/run/smsbat-exporter/api.sock")

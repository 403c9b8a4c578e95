"""The URLs a configuration may name: SMSBat's API, and a proxy on the way there."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def check_base_url(text: str) -> str:
    """Return the URL without a final slash; raise ValueError where credentials would not be safe or paths not fit."""
    url = _split(text)
    if url.username is not None or url.password is not None:
        raise ValueError("must not hold a user name or password: they belong under `auth`")
    if "?" in text or "#" in text:
        raise ValueError("must not have a query or fragment")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError("must begin with https:// (http:// is for loopback only)")
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with https://")
    return text.rstrip("/")


def check_proxy_url(text: str) -> str:
    """Return the proxy's URL; it may hold a user name and password, so no message quotes it."""
    url = _split(text)
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    if url.path.strip("/") or "?" in text or "#" in text:
        raise ValueError("must end after the host and port")
    return text


def _split(text: str) -> SplitResult:
    if not text.isprintable() or " " in text:
        raise ValueError("must not hold spaces or control characters")
    try:
        url = urlsplit(text)
        usable = bool(url.hostname) and url.port != 0
    except ValueError:  # its message quotes the URL
        usable = False
    if not usable:
        raise ValueError("must be a URL with a host, such as https://restapi.smsbat.com")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

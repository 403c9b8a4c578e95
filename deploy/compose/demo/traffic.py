"""An application that sends through SMSBat all the time, by way of the exporter's relay.

The exporter is nothing to it but another base URL, a token and a header that labels a send.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

URL = os.environ["SMSBAT_URL"]
API_KEY = Path(os.environ["SMSBAT_API_KEY_FILE"]).read_text("utf-8").strip()
TOKEN = Path(os.environ["EXPORTER_TOKEN_FILE"]).read_text("utf-8").strip()
OPENER = urllib.request.OpenerDirector()  # follows no redirect and uses no proxy: the key goes nowhere else
for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(), urllib.request.HTTPErrorProcessor()):
    OPENER.add_handler(handler)
OPENER.add_handler(urllib.request.HTTPDefaultErrorHandler())

TICK_SECONDS = 2.0
STREAMS = (  # channel, fallback, campaign, messages in a minute
    ("viber_otp", "sms", "login", 45),
    ("flashcall", None, "login", 30),
    ("viber_trans", "sms", "orders", 30),
    ("viber_promo", "sms", "spring", 30),
    ("sms", None, "reminders", 30),
)


def due(tick: int, per_minute: int) -> int:
    """Return how many messages of a stream go out in the n-th tick."""
    return int((tick + 1) * per_minute * TICK_SECONDS // 60) - int(tick * per_minute * TICK_SECONDS // 60)


def message(channel: str, fallback: str | None) -> dict[str, object]:
    """Return a message as SMSBat's send call takes it."""
    one: dict[str, object] = {"from": "DEMO", "to": "+380000000000", "type": channel, "text": "Hello"}
    return one if fallback is None else {**one, "fallback": {"type": fallback, "text": "Hello"}}


def send(messages: list[dict[str, object]], campaign: str) -> int:
    """Send once; return how many of them SMSBat accepted."""
    headers = {
        "Content-Type": "application/json",
        "X-Authorization-Key": API_KEY,
        "X-Exporter-Token": TOKEN,
        "X-Smsbat-Labels": f"campaign={campaign}",
    }
    body = json.dumps({"messages": messages}).encode()
    with OPENER.open(urllib.request.Request(f"{URL}/bat/messagelist", body, headers), timeout=30) as response:
        return sum(each["status"] == "accepted" for each in json.load(response)["messages"])


def main() -> None:
    """Send what is due, every two seconds, until SIGTERM or Ctrl-C."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # as the first process of its container it has no default
        signal.signal(number, lambda *_: stopping.set())
    tick, sent, told_at = 0, 0, time.monotonic()
    while not stopping.wait(TICK_SECONDS if tick else 0):
        for channel, fallback, campaign, per_minute in STREAMS:
            messages = [message(channel, fallback)] * due(tick, per_minute)
            try:
                sent += send(messages, campaign) if messages else 0
            except urllib.error.HTTPError as error:
                print(f"not sent: {error.code} {error.read().decode('utf-8', 'replace')}", file=sys.stderr, flush=True)
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                print(f"not sent, as far as is known: {error}", file=sys.stderr, flush=True)
        if not tick or time.monotonic() - told_at >= 60:
            print(f"{sent} messages accepted", flush=True)
            told_at = time.monotonic()
        tick += 1


if __name__ == "__main__":
    main()

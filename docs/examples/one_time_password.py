#!/usr/bin/env python3
"""Sends a one-time password by Viber, and by SMS when that has not arrived after 30 s: one_time_password.py PHONE.

Exits with 0: delivered, 1: not delivered, 2: not known in time, 3: not sent, as far as is known.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import secrets
import sys
import time
import urllib.request
from typing import Any
from urllib.parse import quote

URL = os.environ.get("SMSBAT_EXPORTER_URL", "http://127.0.0.1:10768")  # in place of SMSBat's
WAIT_SECONDS = float(os.environ.get("WAIT_SECONDS", "30"))
OPENER = urllib.request.OpenerDirector()  # follows no redirect and uses no proxy: the key goes nowhere else
for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
    OPENER.add_handler(handler)


def call(path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """Return status and JSON of the answer; 0 and the reason when there is none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers)
    try:
        with OPENER.open(request, timeout=75) as response:  # the exporter needs 60 s at most
            return response.status, json.load(response)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, str(error)


def send(message: dict[str, object]) -> str | None:
    """Send a message and return its id. A send is never repeated: without an answer it may have gone out."""
    headers = {"Content-Type": "application/json", "X-Authorization-Key": os.environ["SMSBAT_API_KEY"]}
    status, answer = call("/bat/messagelist", {"messages": [message]}, **headers)
    if status == 200:
        sent = answer["messages"][0]
        if sent["status"] == "accepted":
            return str(sent["messageId"])
        answer = sent["status"]  # without the phone number
    print(f"not sent, as far as is known: {status} {answer}", file=sys.stderr)
    return None


def outcome(message_id: str, seconds: float) -> str:
    """Return what became of a message as soon as that is known, or "open" when the time is over."""
    until = time.monotonic() + seconds
    while True:
        left = max(0, math.ceil(until - time.monotonic()))
        status, answer = call(f"/api/v1/messages/{quote(message_id, safe='')}?wait={min(left, 60)}s")
        if status == 200 and answer["final"]:
            return str(answer["outcome"])
        if status != 200:
            print(f"not known: {status} {answer}", file=sys.stderr)
        if left == 0 or status not in {0, 200, 503}:
            return "open"
        if status != 200:  # the exporter restarts; it forgets no message
            time.sleep(1)


if len(sys.argv) != 2 or not os.environ.get("SMSBAT_API_KEY"):
    print("usage: SMSBAT_API_KEY=... one_time_password.py PHONE", file=sys.stderr)
    sys.exit(3)
text = f"{secrets.randbelow(1_000_000):06} is your code. Tell it to nobody."
sent: dict[str, str] = {}
for channel in ("viber_otp", "sms"):  # the same code both ways: whichever arrives first works
    sender = os.environ.get("SMSBAT_SENDER", "SHOP")
    message_id = send({"from": sender, "to": sys.argv[1], "type": channel, "text": text, "ttl": 300})
    if message_id is None:
        continue  # the other way at once
    sent[message_id] = channel
    became = outcome(message_id, WAIT_SECONDS)
    print(f"{channel}: {became}", flush=True)
    if became == "delivered":
        sys.exit(0)
late = {outcome(message_id, 0) for message_id in sent}  # the first may have arrived after all
if "delivered" in late:
    print("delivered after all")
    sys.exit(0)
sys.exit(3 if not late else 1 if late <= {"undeliverable", "permanenterror"} else 2)

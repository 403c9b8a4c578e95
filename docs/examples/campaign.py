#!/usr/bin/env python3
"""Sends a campaign, and reads its delivery rate: campaign.py CAMPAIGN FILE, with a phone number on each line of FILE.

Exits with 0: all messages were judged, 2: not all in time, 3: not sent, as far as is known.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

URL = os.environ.get("SMSBAT_EXPORTER_URL", "http://127.0.0.1:10768")  # in place of SMSBat's
METRICS_URL = os.environ.get("SMSBAT_EXPORTER_METRICS_URL", "http://127.0.0.1:10767/metrics")
WAIT_SECONDS = float(os.environ.get("WAIT_SECONDS", "900"))
OPENER = urllib.request.OpenerDirector()  # follows no redirect and uses no proxy: the key goes nowhere else
for handler in (urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()):
    OPENER.add_handler(handler)


def call(url: str, body: object = None, **headers: str) -> tuple[int, str]:
    """Return status and body of the answer; 0 and the reason when there is none."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with OPENER.open(urllib.request.Request(url, data, headers), timeout=75) as response:
            return response.status, response.read().decode()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return 0, str(error)


def send(campaign: str, phones: list[str]) -> int:
    """Send to up to 5,000 numbers, once; return how many of the messages SMSBat accepted."""
    own = {"from": os.environ.get("SMSBAT_SENDER", "SHOP"), "type": "viber_promo", "text": "Spring is here!"}
    headers = {"Content-Type": "application/json", "X-Authorization-Key": os.environ["SMSBAT_API_KEY"]}
    body = {"messages": [{**own, "to": phone, "ttl": 86_400} for phone in phones]}
    status, answer = call(f"{URL}/bat/messagelist", body, **headers, **{"X-Smsbat-Labels": f"campaign={campaign}"})
    if status != 200:
        print(f"not sent, as far as is known: {status} {answer}", file=sys.stderr)
        sys.exit(3)
    return sum(message["status"] == "accepted" for message in json.loads(answer)["messages"])


def judged(campaign: str) -> Counter[str] | None:
    """Return how many messages of a campaign reached their `mature` age, by what they were then; None when unknown."""
    status, answer = call(f"{METRICS_URL}?name[]=smsbat_messages_matured_total")
    if status != 200:
        print(f"no metrics: {status} {answer}", file=sys.stderr)
        return None
    results: Counter[str] = Counter()
    for labels, value in re.findall(r"^smsbat_messages_matured_total\{(.*)\} (\S+)$", answer, re.MULTILINE):
        label = dict(re.findall(r'(\w+)="(.*?)"', labels))
        if label.get("campaign") == campaign:
            results[label["result"]] += int(float(value))
    return results


if len(sys.argv) != 3 or not re.fullmatch(r"[\w-]+", sys.argv[1], re.ASCII) or not os.environ.get("SMSBAT_API_KEY"):
    print("usage: SMSBAT_API_KEY=... campaign.py CAMPAIGN FILE", file=sys.stderr)
    sys.exit(3)
campaign, phones = sys.argv[1], Path(sys.argv[2]).read_text().split()
before = judged(campaign)
if before is None:
    sys.exit(3)
accepted = sum(send(campaign, phones[first : first + 5000]) for first in range(0, len(phones), 5000))
print(f"accepted {accepted} of {len(phones)}", flush=True)
until, results = time.monotonic() + WAIT_SECONDS, Counter[str]()
while results.total() < accepted and time.monotonic() < until:
    time.sleep(2)
    results = (judged(campaign) or before) - before
known = results["delivered"] + results["failed"] + results["pending"]
if known:
    print(f"delivered {results['delivered']} of {known}: {100 * results['delivered'] // known} %")
sys.exit(0 if results.total() >= accepted else 2)

"""Makes the simulated API answer every status call with an error, or with none again: faults.py [STATUS]."""

from __future__ import annotations

import json
import sys
import urllib.request

URL = "http://127.0.0.1:10780/_control/faults"  # open to loopback only: run this in the simulated API's own container


def main() -> None:
    """Set the faults, and print what the simulated API has set now."""
    faults = [{"kind": "status", "status": int(status)} for status in sys.argv[1:2]]
    request = urllib.request.Request(URL, json.dumps(faults).encode(), method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        print(answer.read().decode())


if __name__ == "__main__":
    main()

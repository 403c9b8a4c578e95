"""The simulated SMSBat API alone, as a server to try things against."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from exporter.demo.setting import CREDENTIALS, account
from exporter.demo.stopping import stop_signal
from exporter.simulator import Latency, Simulator, realistic
from exporter.simulator import demo as demo_profile
from exporter.web.addresses import Address, parse
from exporter.web.server import ListenError

if TYPE_CHECKING:
    from collections.abc import Callable

FLAG: Final = "--simulator.listen-address"
ProfileName = Literal["realistic", "demo"]
_PROFILES: Final = {"realistic": realistic, "demo": demo_profile}
_FORGET_AFTER_SECONDS: Final = 4 * 86_400.0
"""Past the 72 h that the exporter asks about a message by default."""

_TEXT: Final = """\
Simulated SMSBat API: {url} (profile {profile}, seed {seed})
The n-th message of a seed always has the same id and the same life.

  API key            {API_KEY}   (header X-Authorization-Key, or the password of user @)
  user and password  {USERNAME} {PASSWORD}

Send a message; the answer has its id:
  curl -s {url}/bat/messagelist -H 'X-Authorization-Key: {API_KEY}' -H 'Content-Type: application/json' \\
    -d '{{"messages": [{{"to": "+380000000000", "type": "viber_otp", "text": "4711", "fallback": {{"type": "sms"}}}}]}}'
Ask about it:
  curl -s {url}/bat/message/ID -H 'X-Authorization-Key: {API_KEY}'
Make every second call fail, and stop that:
  curl -s -X PUT {url}/_control/faults -d '[{{"kind": "status", "status": 503, "share": 0.5}}]'
  curl -s -X DELETE {url}/_control/faults
See how its messages really end:
  curl -s {url}/_control/ledger
Run the exporter against it:
  SMSBAT_API_KEY={API_KEY} SMSBAT_BASE_URL={url} smsbat-exporter

Ctrl-C stops it."""


async def simulate(listen_address: str, seed: int, profile: ProfileName, *, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; raises AddressError or ListenError when it cannot start."""
    stopping = stop_signal()
    address = parse(listen_address)
    simulator = Simulator(
        accounts=[account("default")],
        seed=seed,
        profile=_PROFILES[profile](),
        latency=Latency(),
        keep_arrivals=False,
        forget_after_seconds=_FORGET_AFTER_SECONDS,
    )
    try:
        url = await _started(simulator, address)
        say(_TEXT.format(url=url, profile=profile, seed=seed, **CREDENTIALS))
        await stopping.wait()
    finally:
        await simulator.close()


async def _started(simulator: Simulator, address: Address) -> str:
    try:
        url = await simulator.start(address.host, address.port)
    except OSError as error:
        # asyncio adds the address to the system's words; what the resolver raises has negative numbers
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ListenError(f"cannot listen on {address} ({FLAG}): {reason}") from error
    return f"http://localhost:{urlsplit(url).port}" if address.is_every_interface else url

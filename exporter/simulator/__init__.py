"""A simulated SMSBat API that `demo`, `simulate`, the benchmarks and the tests share."""

from exporter.simulator.accounts import SimAccount, Webhook
from exporter.simulator.entry import Entry, TotalKey
from exporter.simulator.faults import Fault, FaultKind
from exporter.simulator.ledger import Ledger, Total
from exporter.simulator.lives import Life, Money, State, Truth
from exporter.simulator.profile import ChannelProfile, Delay, Oddities, Profile, demo, never_ending, realistic
from exporter.simulator.sending import Refusals
from exporter.simulator.server import Latency
from exporter.simulator.simulator import Simulator, run

__all__ = [
    "ChannelProfile",
    "Delay",
    "Entry",
    "Fault",
    "FaultKind",
    "Latency",
    "Ledger",
    "Life",
    "Money",
    "Oddities",
    "Profile",
    "Refusals",
    "SimAccount",
    "Simulator",
    "State",
    "Total",
    "TotalKey",
    "Truth",
    "Webhook",
    "demo",
    "never_ending",
    "realistic",
    "run",
]

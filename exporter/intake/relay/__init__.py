"""Forwards sends to SMSBat and tracks what it accepts; answers status calls from what is known."""

from exporter.intake.relay.relay import Relay, routes

__all__ = ["Relay", "routes"]

"""The exporter against a simulated SMSBat API, with traffic; and that simulated API alone."""

from exporter.demo.running import demo
from exporter.demo.simulating import simulate

__all__ = ["demo", "simulate"]

"""Prometheus exporter that follows SMSBat messages to their end."""

__version__ = "0.1.0"

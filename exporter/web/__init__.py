"""The web listener: /metrics, health, reload and the status page."""

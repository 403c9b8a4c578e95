"""The web listener: /metrics, health, reload and the first page."""

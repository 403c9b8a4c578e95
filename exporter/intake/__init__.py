"""The ways in which messages reach the exporter."""

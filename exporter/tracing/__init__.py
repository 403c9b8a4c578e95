"""Spans of sampled messages and their polls, for OpenTelemetry (contract section 6)."""

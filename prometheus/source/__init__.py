"""The one source of the recording rules, the alerts, their Grafana twins, their unit tests and docs/metrics.md."""

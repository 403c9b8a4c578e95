"""The configuration: read from YAML or the environment, validated, frozen."""

from exporter.config.account import Account, Auth
from exporter.config.durations import format_duration, parse_duration
from exporter.config.loading import from_environment, load, named_in
from exporter.config.model import (
    RESERVED_LABELS,
    Api,
    Config,
    Intake,
    LabelRule,
    Objective,
    PollingEntry,
    Relay,
    StaticMessage,
    StoreConfig,
    Tracing,
)
from exporter.config.problems import ConfigError, Problem
from exporter.config.schema import json_schema
from exporter.config.secrets import Secret, SecretError, SecretReader
from exporter.config.timestamps import parse_timestamp

__all__ = [
    "RESERVED_LABELS",
    "Account",
    "Api",
    "Auth",
    "Config",
    "ConfigError",
    "Intake",
    "LabelRule",
    "Objective",
    "PollingEntry",
    "Problem",
    "Relay",
    "Secret",
    "SecretError",
    "SecretReader",
    "StaticMessage",
    "StoreConfig",
    "Tracing",
    "format_duration",
    "from_environment",
    "json_schema",
    "load",
    "named_in",
    "parse_duration",
    "parse_timestamp",
]

"""The configuration as a whole: every setting, its default and the rules it keeps by itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from exporter.config.account import Account
from exporter.config.durations import format_duration
from exporter.config.fields import (
    STRICT,
    UNQUOTED,
    Channel,
    Count,
    Duration,
    Host,
    LocalGlob,
    LocalPath,
    Positive,
    PositiveDuration,
    SecondOrMore,
    SecretFile,
    SecretText,
    Switch,
    Text,
    Timestamp,
    seconds,
)
from exporter.message import MESSAGE_ID

KnownStatus = Literal["scheduled", "processing", "delivered", "undeliverable", "permanenterror"]

RESERVED_LABELS: Final = frozenset(
    {
        *("account", "age", "channel", "code", "currency", "fallback", "kind", "label", "objective", "outcome"),
        *("python", "reason", "result", "revision", "source", "status", "trace_id", "version", "via"),
        *("instance", "job", "le", "quantile"),
    }
)
"""The label names of the contract's metrics, and Prometheus' own."""

_ALIASES: Final[tuple[tuple[str, KnownStatus], ...]] = (
    ("sent", "processing"),
    ("read", "delivered"),
    ("seen", "delivered"),
    ("expired", "undeliverable"),
    ("failed", "undeliverable"),
)
_BUCKETS: Final = (2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0, 259200.0)


def _free_label(name: str) -> str:
    if name.startswith(("__", "exported_")) or name in RESERVED_LABELS:
        raise ValueError("is a label name of the exporter's or Prometheus' own: choose another")
    return name


def _alias(word: str) -> str:
    plain = word.strip().lower()
    if plain in KnownStatus.__args__:  # type: ignore[attr-defined]  # a Literal keeps its values there
        raise ValueError("is one of SMSBat's five statuses, which need no alias")
    return plain


class PollingEntry(BaseModel):
    """When the messages of some channels are asked about."""

    model_config = STRICT

    channels: tuple[Channel, ...] = ()
    """None: every channel."""
    first: SecondOrMore = seconds("2.5s")
    interval: SecondOrMore = seconds("5s")
    backoff: Annotated[float, Field(ge=1, allow_inf_nan=False), UNQUOTED] = 1.5
    max_interval: SecondOrMore = seconds("6h", validate_default=True)
    timeout: PositiveDuration = seconds("72h")
    mature: PositiveDuration = seconds("5m")

    @field_validator("max_interval")
    @classmethod
    def _not_below_interval(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("interval", value):
            raise ValueError(f"must be at least `interval` ({format_duration(info.data['interval'])})")
        return value


class LabelRule(BaseModel):
    """How many values a message label may have at a time."""

    model_config = STRICT

    max_values: Count = 50


class StaticMessage(BaseModel):
    """A message listed in the configuration."""

    model_config = STRICT

    id: Annotated[str, Field(pattern=f"^{MESSAGE_ID.pattern}$")]
    account: Text | None = None
    """None: the first account."""
    channel: Channel | None = None
    sent_at: Timestamp | None = None
    ttl: PositiveDuration | None = None
    labels: dict[str, str] = {}


class Intake(BaseModel):
    """Where messages come from at run time, and how many may be in flight."""

    model_config = STRICT

    files: tuple[LocalGlob, ...] = ()
    max_in_flight: Count = 100_000


class Api(BaseModel):
    """Who may use the API listener."""

    model_config = STRICT

    token_file: SecretFile = None
    token: SecretText = None
    allowed_hosts: tuple[Host, ...] = ()


class Relay(BaseModel):
    """The forwarding of sends to SMSBat."""

    model_config = STRICT

    use_account_credentials: Switch = False


class StoreConfig(BaseModel):
    """Where messages and totals are kept."""

    model_config = STRICT

    type: Literal["sqlite", "memory"] = "sqlite"
    path: LocalPath = Field(Path("smsbat-exporter.db"), validate_default=True)


class Objective(BaseModel):
    """A share of messages that is to be delivered within a time."""

    model_config = STRICT

    name: Text
    channels: tuple[Channel, ...] = ()
    """None: every channel."""
    within: PositiveDuration
    target: Annotated[float, Field(gt=0, lt=1), UNQUOTED]


class Tracing(BaseModel):
    """Whether traces are made, and of how many messages."""

    model_config = STRICT

    enabled: Switch = False
    sample_ratio: Annotated[float, Field(ge=0, le=1), UNQUOTED] = 0.1


class Config(BaseModel):
    """Every setting of the exporter; equal configurations compare equal."""

    model_config = STRICT

    accounts: Annotated[tuple[Account, ...], Field(min_length=1)]
    polling: Annotated[tuple[PollingEntry, ...], Field(min_length=1)] = (PollingEntry(),)
    not_found_grace: PositiveDuration = seconds("2m")
    ttl_grace: PositiveDuration = seconds("2m")
    status_aliases: dict[Annotated[str, AfterValidator(_alias)], KnownStatus] = dict(_ALIASES)
    labels: dict[Annotated[str, Field(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$"), AfterValidator(_free_label)], LabelRule] = {}
    histogram_labels: Switch = False
    max_label_sets: Count = 500
    channels: tuple[Channel, ...] = ()
    messages: tuple[StaticMessage, ...] = ()
    intake: Intake = Intake()
    api: Api = Api()
    relay: Relay | None = None
    store: StoreConfig = Field({}, validate_default=True)
    """Validated even as a default: its path starts from the config file's folder."""
    retention: PositiveDuration = seconds("24h")
    objectives: tuple[Objective, ...] = ()
    buckets: Annotated[tuple[Positive, ...], Field(min_length=1)] = _BUCKETS
    window: PositiveDuration = seconds("1h", validate_default=True)
    zero_hold: Duration = seconds("1m")
    tracing: Tracing = Tracing()

    @field_validator("buckets")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(lower >= upper for lower, upper in pairwise(value)):
            raise ValueError("must ascend, each edge once")
        return value

    @field_validator("window")
    @classmethod
    def _within_retention(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("retention", value):
            raise ValueError(f"must be at most `retention` ({format_duration(info.data['retention'])})")
        return value

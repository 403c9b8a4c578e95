"""The values that travel through the exporter: a message, what an answer says, what became of it."""

from __future__ import annotations

import enum
import math
import re
from decimal import Decimal
from typing import Final

import msgspec

MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,127}")
"""What a message id must match in full before it may become part of a URL."""

CHANNELS: Final = (
    "sms",
    "viber_promo",
    "viber_trans",
    "viber_carousel",
    "viber_survey",
    "viber_otp",
    "rcs",
    "flashcall",
)
"""SMSBat's message types."""

FALLBACKS: Final = {"viber": ("sms", "email"), "rcs": ("sms",)}
"""SMSBat's other ways for a message that does not arrive, by the first word of its type."""

Labels = tuple[tuple[str, str], ...]
"""The configured labels of a message, name and value, in the order of their names."""


class Status(enum.IntEnum):
    """Where a message stands; the number is what the store keeps, so it never changes."""

    ACCEPTED = 0
    """Ours: tracked, and not answered for yet."""
    SCHEDULED = 1
    PROCESSING = 2
    UNKNOWN = 3
    """An answer came whose status is none of SMSBat's five; taken as in flight."""
    DELIVERED = 4
    UNDELIVERABLE = 5
    PERMANENTERROR = 6

    @property
    def label(self) -> str:
        """The status as a label value."""
        return self.name.lower()

    @property
    def final(self) -> bool:
        """Whether SMSBat never changes it again."""
        return self >= Status.DELIVERED


class Outcome(enum.Enum):
    """How tracking a message ended: three of SMSBat's, three of ours."""

    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    PERMANENTERROR = "permanenterror"
    TIMEOUT = "timeout"
    NOT_FOUND = "not_found"
    UNOBSERVED = "unobserved"


class Fallback(enum.Enum):
    """Whether the message had another way to go, and went it."""

    NONE = "none"
    UNUSED = "unused"
    USED = "used"
    UNKNOWN = "unknown"


class Maturity(enum.Enum):
    """What a message was at its `mature` age, for the delivery rate."""

    DELIVERED = "delivered"
    FAILED = "failed"
    PENDING = "pending"
    UNKNOWN = "unknown"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message in flight; every `_at` is Unix seconds, 0.0 where it has not happened."""

    id: str
    account: str
    channel: str
    sent_at: float
    accepted_at: float
    labels: Labels = ()
    ttl: float = math.inf
    """Seconds; infinity for none."""
    traceparent: str | None = None
    listed: bool = False
    """It stands in the configuration's `messages`."""
    status: Status = Status.ACCEPTED
    seen: int = 0
    """The statuses it was seen in, bit `1 << status` each."""
    in_flight_at: float = 0.0
    """When the last poll that was answered scheduled or processing started."""
    answered_at: float = 0.0
    """When the last understood 2xx answer arrived."""
    other_at: float = 0.0
    """When the last answer other than 404 arrived."""
    matured: bool = False
    polls: int = 0
    sampled: bool = False
    """A trace is made of it."""


class Anomaly(enum.Enum):
    """What should not happen, and did; the closed list behind `smsbat_exporter_anomalies_total`."""

    UNKNOWN_STATUS = "unknown_status"
    ID_MISMATCH = "id_mismatch"
    NEGATIVE_COST = "negative_cost"
    FUTURE_SEND_TIME = "future_send_time"
    CONFLICTING_FINAL_STATUS = "conflicting_final_status"
    STATUS_REGRESSION = "status_regression"
    UNEXPECTED_CODE = "unexpected_code"
    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    NOT_AN_ANSWER = "not_an_answer"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    TOO_LARGE = "too_large"
    WEBHOOK_TIME = "webhook_time"
    """A webhook's time is missing, unreadable, before the send time or after the webhook came."""


class Amount(msgspec.Struct, frozen=True, gc=False):
    """Money as the API states it, exactly."""

    value: Decimal
    currency: str | None
    """Three capital letters, or None where the API names none."""


class StatusReport(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one readable answer says; a field that was missing is None or empty."""

    status: Status
    parts: int | None = None
    cost: Decimal | None = None
    fallbacks: tuple[tuple[str, str], ...] = ()
    """Fallback entries in their order: kind, status; both normalised."""
    channels: tuple[tuple[str, str], ...] = ()
    """Extended statuses in their order: channel, status; both normalised."""
    rate: Decimal | None = None
    rate_amount: Amount | None = None
    bill_amount: Amount | None = None
    anomalies: tuple[Anomaly, ...] = ()
    """What was odd about it and therefore left out."""


class PollResult(enum.Enum):
    """What a poll came to; the label of `smsbat_exporter_polls_total`."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION_ERROR = "connection_error"
    UNREADABLE = "unreadable"


class NotFound(msgspec.Struct, frozen=True, gc=False):
    """The API says that it knows no such message (404)."""


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A call that told nothing about its message."""

    result: PollResult
    anomaly: Anomaly | None = None
    """Why an answer was unreadable."""
    code: int | None = None
    """The HTTP status; None when no answer came."""


Reading = StatusReport | NotFound | Failure
"""What one call brought."""


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One call about one message: when it started and ended (Unix seconds), and what it brought."""

    started_at: float
    arrived_at: float
    reading: Reading


class Ending(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The end of a message: its outcome, and when the API can have reached it."""

    outcome: Outcome
    at: float
    fallback: Fallback
    lower_seconds: float
    """The earliest that it can have ended, from the send time."""
    upper_seconds: float
    """The latest that it can have ended, from the send time."""
    report: StatusReport | None
    """The answer that ended it; None when no 2xx did."""


class Transition(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one observation does to a message."""

    message: Message
    """The message as it is from now on."""
    seen: tuple[Status, ...] = ()
    """The statuses it is seen in for the first time."""
    ending: Ending | None = None
    anomalies: tuple[Anomaly, ...] = ()

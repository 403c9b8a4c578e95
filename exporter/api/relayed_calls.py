"""The relay's calls, in OpenAPI's words: SMSBat's own, so their answers are described no closer than it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from exporter.api.operations import JSON, RETRY_AFTER, Described, json_body, link, parameter, secured
from exporter.api.own_calls import ID
from exporter.intake.relay.headers import LABELS
from exporter.intake.relay.paths import SEND, STATUS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exporter.config.model import Relay

SCHEMES: Final = {
    "smsbatKey": {"type": "apiKey", "in": "header", "name": "X-Authorization-Key", "description": "SMSBat's API key"},
    "smsbatUser": {"type": "http", "scheme": "basic", "description": "SMSBat's user, or `@:` and the API key"},
}
_AS_IT_CAME: Final = "SMSBat's answer as it came"
_AGE: Final = {
    "Age": {
        "description": "Seconds since SMSBat said so; absent when the credentials are no configured account's",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_ERRORS: Final[Mapping[str, str]] = {
    "400": "The message id can be none, or the body broke off",
    "403": "A page of a browser asks",
    "404": "No such account is configured",
    "408": "The body took longer than 10 s",
    "413": "The body is over 16 MiB",
    "415": "The body is not application/json",
    "421": "The Host is not this listener's",
    "502": "SMSBat gave no answer",
    "503": "The exporter is starting, or the account's budget allows no call now",
}
_TO_SEND: Final[Described] = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "array",
            "maxItems": 5000,
            "items": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in ("to", "type", "text")},
                    "customerMessageId": {"type": ["string", "null"]},
                    "ttl": {"description": "Seconds"},
                },
            },
        }
    },
}
_ACCOUNT: Final = "/a/{account}"


def relayed_calls(
    relay: Relay, error: Described, own: Sequence[Described], accounts: Sequence[str], *, token: bool
) -> Described:
    """Return the relay's paths; `own` are the ways to satisfy the listener itself."""
    # Without credentials a call is answered 401 by SMSBat, unless it may use those of the account.
    credentials: list[Described] = [{name: []} for name in SCHEMES] + ([{}] if relay.use_account_credentials else [])
    shared = {"security": secured(own, credentials)}
    account = {"parameters": [parameter("account", "path", {"enum": [*accounts]})]}
    return {
        path: chosen | {method: operation | shared}
        for prefix, suffix, chosen in (("", "", {}), (_ACCOUNT, "AsAccount", account))
        for path, method, operation in (
            (f"{prefix}{SEND}", "post", _send(error, suffix, token=token)),
            (f"{prefix}{STATUS}{{id}}", "get", _status(error, suffix, token=token)),
        )
    }


def _send(error: Described, suffix: str, *, token: bool) -> Described:
    first = "$response.body#/messages/0/messageId"
    links = {
        "known": link("getMessage", "What the exporter knows of the first message", id=first),
        "status": link("relayedStatus", "What SMSBat says of the first message", id=first),
    }
    return {
        "operationId": f"relayedSend{suffix}",
        "summary": "Send messages through SMSBat, once, and track those that it accepts",
        "parameters": [
            parameter(
                LABELS, "header", {"type": "string", "examples": ["campaign=spring"]}, description="Not forwarded"
            ),
            parameter("traceparent", "header", {"type": "string"}, description="W3C's"),
        ],
        "requestBody": json_body(_TO_SEND, "What SMSBat's send call takes, passed on byte by byte"),
        "responses": {
            "200": {"description": _AS_IT_CAME, "content": {JSON: {"schema": {}}}, "links": links},
            **_errors(error, *("400", "404", "408", "413", "415", "502", "503"), token=token),
        },
    }


def _status(error: Described, suffix: str, *, token: bool) -> Described:
    return {
        "operationId": f"relayedStatus{suffix}",
        "summary": "SMSBat's answer about a message, remembered or fetched within the account's budget",
        "parameters": [ID],
        "responses": {
            "200": {"description": _AS_IT_CAME, "content": {JSON: {"schema": {}}}, "headers": _AGE},
            **_errors(error, *("400", "404", "502", "503"), token=token),
        },
    }


def _errors(error: Described, *statuses: str, token: bool) -> Described:
    """Return the relay's own errors; SMSBat can answer with the same statuses, in shapes of its own."""
    either = {"description": "The exporter's own error, or SMSBat's", "anyOf": [error, {}]}
    own: dict[str, Described] = {
        status: {
            "description": f"{_ERRORS[status]}; or {_AS_IT_CAME}",
            "content": {JSON: {"schema": either}, "*/*": {}},
        }
        for status in (*statuses, "403", "421")
    }
    own["503"]["headers"] = RETRY_AFTER
    refused = "The token is missing or wrong; or " * token + _AS_IT_CAME
    own["401"] = {"description": refused, "content": {JSON: {"schema": either}, "*/*": {}}}
    return own | {"default": {"description": _AS_IT_CAME, "content": {"*/*": {}}}}

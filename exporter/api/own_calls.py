"""The calls about messages, in OpenAPI's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exporter.api.operations import Described, good, json_body, link, parameter, refusals
from exporter.message import MESSAGE_ID, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

ID: Final = parameter("id", "path", {"type": "string", "pattern": f"^{MESSAGE_ID.pattern}$"})
_WAIT: Final = parameter(
    "wait",
    "query",
    {"type": "string", "pattern": r"^(0|[0-9]{1,4}ms|[1-5]?[0-9](\.[0-9]{1,3})?s|60s|1m)$", "examples": ["30s"]},
    description="Answer as soon as the message ends, or when this time is over: a duration of at most 60 s",
)
_TRACEPARENT: Final = parameter(
    "traceparent", "header", {"type": "string"}, description="W3C's; for messages that bring none of their own"
)
_PAGING: Final = [
    parameter("status", "query", {"type": "string", "enum": [each.label for each in Status if not each.final]}),
    parameter("channel", "query", {"type": "string"}),
    parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
    parameter("cursor", "query", {"type": "string", "pattern": "^[0-9]{1,9}$"}, description="`next` of the last page"),
]
_ONE: Final = "$request.body#/messageId"
_FIRST_OF_LIST: Final = "$request.body#/0/messageId"
_FIRST_OF_WRAPPED: Final = "$request.body#/messages/0/messageId"


class Schemas(msgspec.Struct, frozen=True):
    """The schemas of what comes in and goes out."""

    message: Described
    unsent: Described
    accepted: Described
    known: Described
    page: Described


def own_calls(schemas: Schemas, accounts: Sequence[str], *, token: bool) -> Described:
    """Return the paths of the calls about messages."""
    account = parameter("account", "query", {"enum": [*accounts]}, description="For an id that exists in several")
    return {
        "/api/v1/messages": {"post": _track(schemas, token=token), "get": _list(schemas.page, token=token)},
        "/api/v1/messages/{id}": {
            "parameters": [ID, account],
            "get": _ask(schemas.known, token=token),
            "delete": _stop(token=token),
        },
    }


def _track(schemas: Schemas, *, token: bool) -> Described:
    links = {
        "one": link("getMessage", "What is known of the message", id=_ONE),
        "firstOfList": link("getMessage", "What is known of the first message", id=_FIRST_OF_LIST),
        "firstOfWrapped": link("getMessage", "What is known of the first message", id=_FIRST_OF_WRAPPED),
        "stop": link("stopTracking", "Stop tracking the message", id=_ONE),
    }
    return {
        "operationId": "trackMessages",
        "summary": "Track messages",
        "parameters": [_TRACEPARENT],
        "requestBody": json_body(
            _four_shapes(schemas.message, schemas.unsent),
            "One message, a list of them, a wrapped list, or the answer of SMSBat's send call as it came. "
            "A bad message is named in the answer, and the rest is taken; 400 when none can be.",
        ),
        "responses": {
            "202": good("They are stored, and tracked until they end", schemas.accepted, links),
            **refusals("400", "408", "413", "415", "429", "503", token=token),
        },
    }


def _list(page: Described, *, token: bool) -> Described:
    links = {
        "next": link("listMessages", "The next page", cursor="$response.body#/next"),
        "first": link(
            "getMessage",
            "What is known of the first message",
            id="$response.body#/messages/0/messageId",
            account="$response.body#/messages/0/account",
        ),
    }
    return {
        "operationId": "listMessages",
        "summary": "List messages in flight",
        "parameters": _PAGING,
        "responses": {"200": good("A page of them", page, links), **refusals("400", "503", token=token)},
    }


def _ask(known: Described, *, token: bool) -> Described:
    same = {"id": "$response.body#/messageId", "account": "$response.body#/account"}
    links = {
        "again": link("getMessage", "Ask again", **same),
        "stop": link("stopTracking", "Stop tracking it", **same),
    }
    return {
        "operationId": "getMessage",
        "summary": "Say what is known of a message, at once or when it ends",
        "parameters": [_WAIT],
        "responses": {
            "200": good("What is known", known, links),
            **refusals("400", "404", "409", "503", token=token),
        },
    }


def _stop(*, token: bool) -> Described:
    return {
        "operationId": "stopTracking",
        "summary": "Stop tracking a message, which is remembered as abandoned",
        "responses": {"204": good("It is no longer tracked"), **refusals("400", "404", "409", "503", token=token)},
    }


def _four_shapes(message: Described, unsent: Described) -> Described:
    sent = {"type": "array", "items": {"anyOf": [message, unsent]}}
    wrapped = {"type": "object", "required": ["messages"], "properties": {"messages": sent}}
    return {"anyOf": [message, {"type": "array", "items": message}, wrapped]}

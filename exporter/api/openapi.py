"""The description of the API (OpenAPI 3.1), made from the very types that read requests and write answers."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from exporter.api.bodies import Sent
from exporter.api.errors import ErrorAnswer
from exporter.api.messages import Accepted, Page
from exporter.intake.wire import WireMessage
from exporter.knowledge import Known
from exporter.message import MESSAGE_ID, Status

_JSON: Final = "application/json"
_ID: Final = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": f"^{MESSAGE_ID.pattern}$"},
}
_ERRORS: Final = {
    "400": "what the caller sent cannot be used",
    "401": "the token is missing or wrong",
    "403": "a page of a browser asks",
    "404": "unknown",
    "408": "the body took longer than 10 s",
    "409": "it is not clear which message is meant, or it has ended",
    "413": "the body is over 8 MiB after decompression",
    "415": "the body is not application/json",
    "421": "the Host is not this listener's",
    "429": "as many messages are in flight as may be: nothing of the request was taken",
    "503": "the exporter is starting, its store does not work, or too many callers wait",
}


def description(version: str) -> bytes:
    """Return the document as JSON."""
    types = (WireMessage, Sent, Accepted, Known, Page, ErrorAnswer)
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    message, entry, accepted, known, page, error = schemas
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "smsbat-exporter",
            "version": version,
            "description": "Has this message arrived yet?",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/api/v1/messages": {
                "post": _operation(
                    "trackMessages", "Track messages", error, "202", accepted, body=_body(message, entry)
                )
                | {"parameters": [_query("traceparent", {"type": "string"}, where="header")]},
                "get": _operation("listMessages", "List messages in flight", error, "200", page)
                | {"parameters": _PAGING},
            },
            "/api/v1/messages/{id}": {
                "get": _operation("getMessage", "Say what is known of a message", error, "200", known)
                | {"parameters": [_ID, _ACCOUNT, _WAIT]},
                "delete": _operation("stopTracking", "Stop tracking a message", error, "204", None)
                | {"parameters": [_ID, _ACCOUNT]},
            },
            "/api/v1/openapi.json": {
                "get": _operation("getDescription", "This document", error, "200", {"type": "object"})
            },
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Exporter-Token"}},
        },
        # The token is asked for only where the configuration names one.
        "security": [{}, {"token": []}],
    }
    return msgspec.json.encode(document)


def _query(name: str, schema: dict[str, Any], where: str = "query") -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "schema": schema}


_ACCOUNT: Final = _query("account", {"type": "string"})
_WAIT: Final = _query("wait", {"type": "string", "examples": ["30s"], "description": "at most 60s"})
_PAGING: Final = [
    _query("status", {"type": "string", "enum": [status.label for status in Status if not status.final]}),
    _query("channel", {"type": "string"}),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
    _query("cursor", {"type": "string", "pattern": "^[0-9]{1,10}$"}),
]


def _operation(  # noqa: PLR0913, PLR0917 (a table's columns)
    name: str, summary: str, error: object, status: str, answer: object, body: object | None = None
) -> dict[str, Any]:
    """Describe a call: its one good answer, and the errors that every call can bring."""
    good: dict[str, Any] = {"description": "done"}
    if answer is not None:
        good["content"] = {_JSON: {"schema": answer}}
    errors = {code: {"description": text, "content": {_JSON: {"schema": error}}} for code, text in _ERRORS.items()}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": {status: good, **errors}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    return operation


def _body(message: object, entry: object) -> dict[str, Any]:
    """Describe the four shapes of a body."""
    return {
        "anyOf": [
            message,
            {"type": "array", "items": message},
            {
                "type": "object",
                "required": ["messages"],
                "properties": {"messages": {"type": "array", "items": {"anyOf": [message, entry]}}},
            },
        ]
    }

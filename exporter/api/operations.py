"""Calls in OpenAPI's words: parameters, answers, links between calls, and the errors that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Described = dict[str, Any]
"""A part of the document, as JSON will be made of it."""

JSON: Final = "application/json"
RETRY_AFTER: Final[Described] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer", "minimum": 0}}}
_LATER: Final = frozenset({"429", "503"})
_EVERYWHERE: Final = ("403", "421")
"""The guard's, before anything else is looked at; with a token also 401."""
_ERRORS: Final[Mapping[str, str]] = {
    "400": "What the caller sent cannot be used",
    "401": "The token is missing or wrong",
    "403": "A page of a browser asks",
    "404": "No such message is tracked or remembered, or no such account is configured",
    "408": "The body took longer than 10 s",
    "409": "It is not clear which account's message is meant, or it has ended already",
    "413": "The body is too long, as it came or decompressed",
    "415": "The body is not application/json",
    "421": "The Host is not this listener's",
    "429": "As many messages are in flight as may be: nothing of the request was taken",
    "503": "The exporter is starting, its store does not work, or too many callers wait",
}


def shared_responses(error: Described) -> Described:
    """Return the errors of all calls, by their status, for the document's components; `error` is their schema."""
    return {
        status: {"description": text, "content": {JSON: {"schema": error}}}
        | ({"headers": RETRY_AFTER} if status in _LATER else {})
        for status, text in _ERRORS.items()
    }


def refusals(*statuses: str, token: bool) -> Described:
    """Return the errors that a call can bring, those of the guard included."""
    guarded = ("401", *_EVERYWHERE) if token else _EVERYWHERE
    return {status: {"$ref": f"#/components/responses/{status}"} for status in sorted({*statuses, *guarded})}


def parameter(name: str, where: str, schema: Described, **more: object) -> Described:
    """Return a parameter; what is in the path is required, the rest is not."""
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **more}


def json_body(schema: Described, description: str) -> Described:
    """Return a request's body."""
    return {"required": True, "description": description, "content": {JSON: {"schema": schema}}}


def good(description: str, schema: Described | None = None, links: Mapping[str, Described] | None = None) -> Described:
    """Return the answer of a call that did what it is for."""
    answer: Described = {"description": description}
    if schema is not None:
        answer["content"] = {JSON: {"schema": schema}}
    if links:
        answer["links"] = links
    return answer


def link(operation: str, description: str, **parameters: str) -> Described:
    """Return a call that can follow, and where its parameters are found."""
    return {"operationId": operation, "description": description, "parameters": parameters}


def secured(own: Sequence[Described], *others: Iterable[Described]) -> list[Described]:
    """Return the ways to satisfy all of these requirements at once, each a choice of schemes."""
    ways = list(own)
    for choice in others:
        ways = [way | other for way in ways for other in choice]
    return ways

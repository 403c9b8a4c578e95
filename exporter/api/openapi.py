"""The description of what this process serves (OpenAPI 3.1), made from the types that read and write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from exporter import __version__
from exporter.api.bodies import Sent
from exporter.api.errors import ErrorAnswer
from exporter.api.guards import TOKEN_HEADER
from exporter.api.messages import Accepted, Page
from exporter.api.operations import Described, good, refusals, shared_responses
from exporter.api.own_calls import Schemas, own_calls
from exporter.intake.wire import WireMessage
from exporter.knowledge import Known

if TYPE_CHECKING:
    from exporter.config import Config

_TYPES: Final = (ErrorAnswer, WireMessage, Sent, Accepted, Known, Page)
_INFO: Final = {
    "title": "smsbat-exporter",
    "version": __version__,
    "description": "Has this message arrived yet?",
    "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}


def description(config: Config) -> bytes:
    """Return the document as JSON; it has the accounts, the calls and the token of this configuration."""
    accounts, token = [account.name for account in config.accounts], config.api.token is not None
    (error, *others), components = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    _refine(components, accounts)
    own: list[Described] = [{"token": []}] if token else [{}]
    schemes: Described = {"token": {"type": "apiKey", "in": "header", "name": TOKEN_HEADER}} if token else {}
    paths = own_calls(Schemas(*others), accounts, token=token) | {
        "/api/v1/openapi.json": {"get": _describe(token=token)}
    }
    if config.relay is not None:
        from exporter.api.relayed_calls import SCHEMES, relayed_calls  # noqa: PLC0415 (few configure a relay)

        paths |= relayed_calls(config.relay, error, own, accounts, token=token)
        schemes |= SCHEMES
    return msgspec.json.encode({
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/"}],
        "security": own,
        "paths": paths,
        "components": {"schemas": components, "responses": shared_responses(error), "securitySchemes": schemes},
    })  # fmt: skip


def _refine(components: dict[str, Described], accounts: list[str]) -> None:
    """Say what the types leave open: which accounts there are, and which entries of a send call count as not sent."""
    components["WireMessage"]["properties"]["account"] = {"enum": [*accounts, None], "default": None}
    components["Sent"]["properties"]["status"] = {"enum": ["rejected", "failed"]}
    components["Sent"]["required"] = ["status"]
    for name in ("cost", "rate"):
        # Amounts are exact decimals inside and plain numbers in JSON, which the type alone does not tell.
        components["Known"]["properties"][name] = {"type": ["number", "null"], "default": None}


def _describe(*, token: bool) -> Described:
    return {
        "operationId": "getDescription",
        "summary": "This document",
        "responses": {"200": good("OpenAPI 3.1", {"type": "object"}), **refusals(token=token)},
    }

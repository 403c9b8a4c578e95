"""The OpenAPI document: it is valid, it says what this configuration serves, and what is told fits it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31

from exporter.api.messages import Page
from exporter.api.openapi import description
from exporter.knowledge import Bounds, Known
from tests.lab import account, config

TWO = [account("main"), account("other")]
OWN = {"/api/v1/messages", "/api/v1/messages/{id}", "/api/v1/openapi.json"}
RELAYED = {
    *("/bat/messagelist", "/a/{account}/bat/messagelist"),
    *("/bat/message/{id}", "/a/{account}/bat/message/{id}"),
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"relay": {}, "accounts": TWO},
    {"relay": {"use_account_credentials": True}, "api": {"token": "t"}},
]
KNOWN = Known(
    message_id="m1",
    account="main",
    channel="sms",
    status="delivered",
    final=True,
    outcome="delivered",
    sent_at="2027-01-15T08:00:00.000Z",
    accepted_at="2027-01-15T08:00:00.000Z",
    finished_at="2027-01-15T08:00:06.000Z",
    polls=2,
    cost=Decimal("0.05"),
    currency="USD",
    time_to_delivery=Bounds(2.5, 5.0),
)


def document(**given: Any) -> dict[str, Any]:  # noqa: ANN401
    made: dict[str, Any] = msgspec.json.decode(description(config(**given)))
    return made


def complaints(schema: Any, value: object, root: dict[str, Any]) -> list[str]:  # noqa: ANN401
    """Return what a schema of the document has against a value."""
    whole = {**schema, "components": root["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def body_schema(root: dict[str, Any]) -> Any:  # noqa: ANN401
    return root["paths"]["/api/v1/messages"]["post"]["requestBody"]["content"]["application/json"]["schema"]


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_openapi_3_1(settings: dict[str, Any]) -> None:
    root = document(**settings)
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(root)] == []
    for schema in root["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_reference_and_link_leads_somewhere(settings: dict[str, Any]) -> None:
    root = document(**settings)
    text = msgspec.json.encode(root).decode()
    for kind, name in re.findall(r'"#/components/(\w+)/(\w+)"', text):
        assert name in root["components"][kind]
    operations = [each for path in root["paths"].values() for each in path.values() if "operationId" in each]
    names = [each["operationId"] for each in operations]
    linked = {
        link["operationId"]
        for each in operations
        for answer in each["responses"].values()
        for link in answer.get("links", {}).values()
    }
    assert len(names) == len(set(names))
    assert linked
    assert linked <= set(names)


def test_the_relay_is_described_where_there_is_one() -> None:
    assert set(document()["paths"]) == OWN
    assert set(document(relay={})["paths"]) == OWN | RELAYED


def test_the_token_is_asked_for_where_one_is_configured() -> None:
    calls = document(relay={})["paths"], document(relay={}, api={"token": "t"})["paths"]
    assert document()["security"] == [{}]
    assert document(api={"token": "secret-t"})["security"] == [{"token": []}]
    assert b"secret-t" not in description(config(api={"token": "secret-t"}))
    without, with_token = (paths["/api/v1/messages"]["get"]["responses"] for paths in calls)
    assert set(with_token) - set(without) == {"401"}
    without, with_token = (paths["/bat/messagelist"]["post"]["security"] for paths in calls)
    assert without == [{"smsbatKey": []}, {"smsbatUser": []}]
    assert with_token == [{"token": [], **each} for each in without]


def test_a_relay_that_lends_its_credentials_needs_none() -> None:
    assert {} in document(relay={"use_account_credentials": True})["paths"]["/bat/messagelist"]["post"]["security"]


def test_the_accounts_are_named() -> None:
    root = document(accounts=TWO, relay={})
    assert root["components"]["schemas"]["WireMessage"]["properties"]["account"]["enum"] == ["main", "other", None]
    assert root["paths"]["/a/{account}/bat/messagelist"]["parameters"][0]["schema"] == {"enum": ["main", "other"]}


@pytest.mark.parametrize(
    "body",
    [
        {"messageId": "m1"},
        {"messageId": "m1", "account": None, "ttl": 2_592_000, "sentAt": "2027-01-15T08:00:00Z", "to": "+380"},
        [{"messageId": "m1", "account": "main", "labels": {"campaign": "spring"}}],
        {"messages": [{"messageId": "m1"}, {"messageId": "m2", "status": "accepted"}, {"status": "failed"}]},
    ],
)
def test_bodies_that_are_taken_fit_it(body: object) -> None:
    root = document()
    assert complaints(body_schema(root), body, root) == []


@pytest.mark.parametrize(
    "body",
    [
        5,
        {},
        {"messageId": "a/b"},
        {"messageId": "m1", "ttl": 0},
        {"messageId": "m1", "ttl": 2_592_001},
        {"messageId": "m1", "account": "nobody"},
        [{"messageId": None}],
        {"messages": [{}]},
        {"messages": {"messageId": "m1"}},
    ],
)
def test_bodies_that_are_refused_do_not_fit_it(body: object) -> None:
    root = document()
    assert complaints(body_schema(root), body, root)


def test_what_is_told_fits_it() -> None:
    root = document()
    told = msgspec.json.decode(msgspec.json.Encoder(decimal_format="number").encode(Page([KNOWN], None)))
    assert complaints({"$ref": "#/components/schemas/Page"}, told, root) == []
    assert complaints({"$ref": "#/components/schemas/Known"}, {**told["messages"][0], "cost": "0.05"}, root)

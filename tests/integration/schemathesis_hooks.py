"""What schemathesis has to know of this API that OpenAPI cannot say; loaded by its process, not by pytest."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any, Final

import schemathesis
from hypothesis import strategies as st
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation.case import Case
from schemathesis.hooks import HookContext
from schemathesis.specs.openapi.checks import negative_data_rejection, use_after_free

_NOW: Final = dt.datetime.now(dt.UTC).replace(microsecond=0)
_LONG: Final = re.compile(r"([1-9][0-9]*(\.[0-9]+)?s|[1-9]m)")

# A send time must lie within 30 days of now, and JSON Schema knows no now.
schemathesis.openapi.format(
    "date-time",
    st.tuples(st.integers(-29 * 86_400, 29 * 86_400), st.integers(-14 * 60, 14 * 60)).map(
        lambda drawn: (
            (_NOW + dt.timedelta(seconds=drawn[0])).astimezone(dt.timezone(dt.timedelta(minutes=drawn[1]))).isoformat()
        )
    ),
)


@schemathesis.hook
def before_call(_: HookContext, case: Case[Any], __: dict[str, Any]) -> None:
    """Let nobody wait for seconds: most messages here never end."""
    if _LONG.fullmatch(str((case.query or {}).get("wait"))):
        case.query["wait"] = "20ms"


@schemathesis.check
def negative_data_rejected_or_named(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """Look for bad data that was taken.

    The check of schemathesis alone is wrong for this call: of several messages the bad ones are rejected by name
    in a 202, and the rest is taken.
    """
    if response.status_code == 202 and json.loads(response.content)["rejected"]:
        return None
    return negative_data_rejection(ctx, response, case)


@schemathesis.check
def freed_or_told_as_abandoned(ctx: CheckContext, response: Response, case: Case[Any]) -> bool | None:
    """Look for messages that are still tracked after their DELETE.

    The check of schemathesis alone is wrong for this call: a message that is no longer tracked is remembered, so
    that it is not taken again, and told of as abandoned.
    """
    if response.status_code == 200 and json.loads(response.content).get("outcome") == "abandoned":
        return None
    return use_after_free(ctx, response, case)

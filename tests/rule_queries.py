"""What the expressions of rules select and group by, by promql-parser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import promql_parser

from tests import promql

SCRAPED: Final = frozenset({"job", "instance"})
"""The labels that Prometheus adds."""


class Use(NamedTuple):
    """A series that an expression selects, and the labels that it needs of it."""

    name: str
    labels: frozenset[str]


def exported() -> dict[str, frozenset[str]]:
    """Return the labels of each sample that Prometheus has of the exporter."""
    return {"up": SCRAPED} | {name: SCRAPED | labels for name, labels in promql.exported().items()}


def uses(expression: promql_parser.Expr, wanted: frozenset[str] = frozenset()) -> Iterator[Use]:
    """Yield every series that is selected, with the labels that it is matched and grouped by."""
    match expression:
        case promql_parser.VectorSelector():
            yield Use(str(expression.name), wanted | {it.name for it in expression.matchers.matchers})
        case promql_parser.MatrixSelector():
            yield from uses(expression.vector_selector, wanted)
        case promql_parser.SubqueryExpr() | promql_parser.ParenExpr():
            yield from uses(expression.expr, wanted)
        case promql_parser.Call():
            for argument in expression.args:
                yield from uses(argument, wanted)
        case promql_parser.AggregateExpr():
            grouped = frozenset() if expression.modifier is None else frozenset(expression.modifier.labels)
            assert wanted <= grouped, f"no {sorted(wanted - grouped)} in {expression.prettify()}"
            yield from uses(expression.expr, grouped)
        case promql_parser.BinaryExpr():
            matched = expression.modifier.matching if expression.modifier is not None else None
            labels = frozenset() if matched is None else frozenset(matched.labels)
            yield from uses(expression.lhs, wanted | labels)
            yield from uses(expression.rhs, labels)
        case promql_parser.NumberLiteral():
            pass
        case _:
            raise AssertionError(f"an expression of a kind that no rule has yet: {expression}")


def calls(expression: promql_parser.Expr) -> Iterator[promql_parser.Call]:
    """Yield every function call in an expression."""
    match expression:
        case promql_parser.Call():
            yield expression
            for argument in expression.args:
                yield from calls(argument)
        case promql_parser.SubqueryExpr() | promql_parser.ParenExpr() | promql_parser.AggregateExpr():
            yield from calls(expression.expr)
        case promql_parser.BinaryExpr():
            yield from calls(expression.lhs)
            yield from calls(expression.rhs)
        case _:
            pass

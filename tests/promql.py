"""What an expression selects, and which labels its result can have, by promql-parser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import promql_parser as promql

from exporter.catalogue import METRICS, Kind
from tests.boards import CAMPAIGN

SCRAPED: Final = frozenset({"job", "instance", "pod"})
"""The labels that Prometheus adds; `pod` stands for those that a discovery brings."""
CLIENT: Final = {
    "process_cpu_seconds_total": frozenset[str](),
    "process_max_fds": frozenset[str](),
    "process_open_fds": frozenset[str](),
    "process_resident_memory_bytes": frozenset[str](),
    "process_start_time_seconds": frozenset[str](),
    "process_virtual_memory_bytes": frozenset[str](),
    "python_gc_collections_total": frozenset({"generation"}),
    "python_gc_objects_collected_total": frozenset({"generation"}),
    "python_gc_objects_uncollectable_total": frozenset({"generation"}),
    "python_info": frozenset({"implementation", "major", "minor", "patchlevel", "version"}),
}
"""What the client library exports, with its labels."""


def exported() -> dict[str, frozenset[str]]:
    """Return the labels of each sample that the exporter exports, with `campaign` configured."""
    found = dict(CLIENT)
    for metric in METRICS:
        labels = frozenset(metric.label_names((CAMPAIGN,), on_histograms=False))
        if metric.kind is Kind.HISTOGRAM:
            found |= {f"{metric.name}_sum": labels, f"{metric.name}_count": labels}
            found[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            found[metric.name] = labels
    return found


def selectors(expression: promql.Expr) -> Iterator[promql.VectorSelector]:
    """Yield every selector of an expression."""
    match expression:
        case promql.VectorSelector():
            yield expression
        case promql.MatrixSelector():
            yield expression.vector_selector
        case promql.Call():
            for argument in expression.args:
                yield from selectors(argument)
        case promql.BinaryExpr():
            yield from selectors(expression.lhs)
            yield from selectors(expression.rhs)
        case promql.AggregateExpr() | promql.ParenExpr():
            yield from selectors(expression.expr)
        case promql.NumberLiteral() | promql.StringLiteral():
            pass
        case _:
            raise AssertionError(f"an expression of a kind that no dashboard has yet: {expression}")


def labels(expression: promql.Expr, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    """Return the labels that a result can have; None for a number.

    Raises an AssertionError where labels are wanted in vain.
    """
    match expression:
        case promql.VectorSelector() | promql.MatrixSelector():
            (selector,) = selectors(expression)
            return known[str(selector.name)] | SCRAPED
        case promql.ParenExpr():
            return labels(expression.expr, known)
        case promql.Call():
            return _of_call(expression, known)
        case promql.AggregateExpr():
            return _of_aggregate(expression, known)
        case promql.BinaryExpr():
            return _of_pair(expression, known)
        case _:
            return None


def _of_call(call: promql.Call, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    found = [labels(argument, known) for argument in call.args]
    of_vector = next((it for it in found if it is not None), None)
    if of_vector is not None and call.func.name == "histogram_quantile":
        assert "le" in of_vector, f"a quantile of something that has no buckets: {call.prettify()}"
        return of_vector - {"le"}
    return of_vector


def _of_aggregate(aggregate: promql.AggregateExpr, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    beneath = labels(aggregate.expr, known)
    assert beneath is not None
    if aggregate.modifier is None:
        return beneath if aggregate.param is not None else frozenset()
    wanted = frozenset(aggregate.modifier.labels)
    assert wanted <= beneath, f"no {sorted(wanted - beneath)} in {aggregate.prettify()}"
    return wanted


def _of_pair(pair: promql.BinaryExpr, known: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
    left, right = labels(pair.lhs, known), labels(pair.rhs, known)
    if left is None or right is None:
        return right if left is None else left
    if pair.modifier is None or pair.modifier.matching is None:
        assert left == right, f"{sorted(left)} meet {sorted(right)} in {pair.prettify()}"
        return left
    wanted = frozenset(pair.modifier.matching.labels)
    assert wanted <= left & right, f"no {sorted(wanted - (left & right))} on both sides of {pair.prettify()}"
    return left if pair.modifier.card == promql.VectorMatchCardinality.ManyToOne else wanted

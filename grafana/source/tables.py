"""Tables: a column a query, a row for each set of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.source.panels import SOURCE, Says


class Column(NamedTuple):
    """A query's column: its title, its unit, and how many digits it shows."""

    expression: str
    title: str
    unit: str
    decimals: int = 0


def rows(says: Says, labels: Mapping[str, str], columns: Sequence[Column], worst_first: str) -> model.Panel:
    """Return a table sorted by one column, downwards; `labels` are their titles by name, in their order."""
    panel = table.Panel().sort_by([common.TableSortByFieldState().display_name(worst_first).desc(True)])
    for column in columns:
        shown = [model.DynamicConfigValue("unit", column.unit), model.DynamicConfigValue("decimals", column.decimals)]
        panel = panel.override_by_name(column.title, shown)
    built = panel.unit(says.unit).no_value(says.empty).build()
    built.title, built.description, built.datasource = says.title, says.about, SOURCE
    built.targets = [_target(column, index).build() for index, column in enumerate(columns)]
    built.transformations = _arranged(labels, columns)
    return built


def _target(column: Column, index: int) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(column.expression)
        .ref_id(_ref(index))
        .format(PromQueryFormat.TABLE)
        .instant()
    )


def _arranged(labels: Mapping[str, str], columns: Sequence[Column]) -> list[model.DataTransformerConfig]:
    values = {f"Value #{_ref(index)}": column.title for index, column in enumerate(columns)}
    # With one query there is nothing to merge, and its column is called plainly.
    values = values if len(columns) > 1 else {"Value": columns[0].title, **values}
    titles = {**labels, **values}
    return [
        model.DataTransformerConfig(id_val="merge", options={}),
        model.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: index for index, name in enumerate(titles)},
                "renameByName": titles,
            },
        ),
    ]


def _ref(index: int) -> str:
    return chr(ord("A") + index)

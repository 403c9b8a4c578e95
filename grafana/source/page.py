"""A dashboard around its panels: variables, links, and the place of each panel on the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard as frame
from grafana_foundation_sdk.models import dashboard as model

from exporter import catalogue as metrics
from grafana.source.panels import SOURCE
from grafana.source.queries import ACCOUNT, PROCESS

TAG: Final = "smsbat"
_WIDTH: Final = 24
_ALL: Final = model.VariableOption(text="All", value="$__all")
_SCHEMA: Final = 38
"""Of Grafana 10.0; a newer one brings it up to its own."""

Line = tuple[int, Sequence[tuple[int, model.Panel]]]
"""Panels beside each other, of one height, each with its width; together 24."""


class Section(NamedTuple):
    """Lines below a heading; the first section of a dashboard has none."""

    title: str
    lines: Sequence[Line]


class Page(NamedTuple):
    """A dashboard: its uid, title and description, the variables besides the usual ones, and its sections."""

    uid: str
    title: str
    about: str
    sections: Sequence[Section]
    variables: Sequence[model.VariableModel] = ()
    by_channel: bool = True
    since: str = "now-6h"


def dashboard(page: Page) -> model.Dashboard:
    """Return it as Grafana knows it."""
    built = (
        frame.Dashboard(f"SMSBat / {page.title}")
        .uid(page.uid)
        .description(page.about)
        .tags([TAG])
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time(page.since, "now")
        .refresh("1m")
        .readonly()
        .build()
    )
    built.schema_version = _SCHEMA
    built.templating.list_val = [*_usual(by_channel=page.by_channel), *page.variables]
    built.annotations.list_val = []
    built.links = [_link()]
    built.panels = list(_placed(page.sections))
    for number, panel in enumerate(built.panels, start=1):
        panel.id_val = number
    return built


def chosen(name: str, label: str, about: str, query: str) -> frame.QueryVariable:
    """Return a variable whose values a query finds."""
    return (
        frame.QueryVariable(name)
        .label(label)
        .description(about)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def several(name: str, label: str, about: str, query: str) -> model.VariableModel:
    """Return one that takes several values, and all of them at first."""
    # `.+` in place of a list of all: no long expressions, and what ended within the range is seen too.
    return chosen(name, label, about, query).multi(True).include_all(True).all_value(".+").current(_ALL).build()


def _usual(*, by_channel: bool) -> Iterator[model.VariableModel]:
    up, accepted = metrics.BUILD_INFO.name, metrics.ACCEPTED.name
    source = frame.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield source.description("The Prometheus that scrapes the exporter.").build()
    yield several("job", "Job", "Which scrape jobs.", f"label_values({up}, job)")
    query = f'label_values({up}{{job=~"$job"}}, instance)'
    yield several("instance", "Instance", "Which of their exporters.", query)
    query = f"label_values({accepted}{{{PROCESS}}}, account)"
    yield several("account", "Account", "Which accounts at SMSBat.", query)
    if by_channel:
        query = f"label_values({accepted}{{{ACCOUNT}}}, channel)"
        yield several("channel", "Channel", "Which types of message.", query)


def _link() -> model.DashboardLink:
    return (
        frame.DashboardLink("SMSBat")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(True)
        .keep_time(True)
        .build()
    )


def _placed(sections: Sequence[Section]) -> Iterator[model.Panel | model.RowPanel]:
    y = 0
    for section in sections:
        if section.title:
            yield _heading(section.title, y)
            y += 1
        for height, panels in section.lines:
            x = 0
            for width, panel in panels:
                panel.grid_pos = model.GridPos(x=x, y=y, w=width, h=height)
                x += width
                yield panel
            if x != _WIDTH:
                raise ValueError(f"a line of {section.title!r} is {x} wide")
            y += height


def _heading(title: str, y: int) -> model.RowPanel:
    row = frame.Row(title).build()
    row.grid_pos = model.GridPos(x=0, y=y, w=_WIDTH, h=1)
    return row

"""Panels: what each kind looks like, from a title, what it is about, a unit and queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders import dashboard as frame
from grafana_foundation_sdk.models import common as shape
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.source.queries import Query

SOURCE: Final = shape.DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on, None being the lowest, which colour."""
PLAIN: Final[Steps] = ((None, "blue"),)

MINUTE: Final = "1m"
"""The least step where a shorter one would show the noise of a few messages."""


class Says(NamedTuple):
    """What a panel tells in words: title, description, unit, digits, and what stands there without data."""

    title: str
    about: str
    unit: str
    decimals: float | None = None
    empty: str = "No data"


class Named(NamedTuple):
    """Values by number that are shown as words."""

    words: Mapping[str, tuple[str, str]]
    """Word and colour by value."""


def stat_panel(
    says: Says,
    *queries: Query,
    steps: Steps = PLAIN,
    named: Named | None = None,
    text: shape.BigValueTextMode = shape.BigValueTextMode.AUTO,
    since: str = "",
) -> model.Panel:
    """Return large numbers, each of now or of the whole range."""
    panel = (
        stat.Panel()
        .graph_mode(shape.BigValueGraphMode.NONE)
        .color_mode(shape.BigValueColorMode.VALUE)
        .text_mode(text)
        .reduce_options(_last())
        .thresholds(_thresholds(steps))
    )
    if since:
        panel = panel.time_from(since)
    return _dressed(panel.build(), says, _asked(queries, at_once=True), named)


def bars(says: Says, *queries: Query, steps: Steps = PLAIN) -> model.Panel:
    """Return shares as bars, the full width being 1."""
    panel = (
        bargauge.Panel()
        .orientation(shape.VizOrientation.HORIZONTAL)
        .display_mode(shape.BarGaugeDisplayMode.BASIC)
        .reduce_options(_last())
        .thresholds(_thresholds(steps))
        .min(0)
        .max(1)
    )
    return _dressed(panel.build(), says, _asked(queries, at_once=True))


def lines(
    says: Says,
    *queries: Query,
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
    limits: Steps = (),
    step: str = "",
) -> model.Panel:
    """Return lines over time, or areas on top of each other; limits are drawn as dashed lines."""
    panel = _drawn(stacked=stacked)
    if limits:
        dashed = common.GraphThresholdsStyleConfig().mode(shape.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(_thresholds(limits)).thresholds_style(dashed)
    if step:
        panel = panel.interval(step)
    for name, colour in (colours or {}).items():
        panel = panel.override_by_name(name, [_fixed(colour)])
    return _dressed(panel.build(), says, _asked(queries))


def _drawn(*, stacked: bool) -> timeseries.Panel:
    stacking = shape.StackingMode.NORMAL if stacked else shape.StackingMode.NONE
    return (
        timeseries.Panel()
        .min(0)
        .line_width(1)
        .fill_opacity(30 if stacked else 0)
        .show_points(shape.VisibilityMode.AUTO)
        .stacking(common.StackingConfig().mode(stacking).group("A"))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(shape.TooltipDisplayMode.MULTI).sort(shape.SortOrder.DESCENDING))
    )


def band(says: Says, pairs: Sequence[tuple[Query, Query, str]]) -> model.Panel:
    """Return a band for each pair of a lower and an upper line, with the colour that it has."""
    panel = _drawn(stacked=False).interval(MINUTE)
    for lower, upper, colour in pairs:
        filled = model.DynamicConfigValue("custom.fillBelowTo", lower.legend)
        opaque = model.DynamicConfigValue("custom.fillOpacity", 25)
        faint = model.DynamicConfigValue("custom.lineWidth", 0)
        unlisted = model.DynamicConfigValue("custom.hideFrom", {"legend": True, "tooltip": False, "viz": False})
        panel = panel.override_by_name(upper.legend, [_fixed(colour), filled, opaque])
        panel = panel.override_by_name(lower.legend, [_fixed(colour), faint, unlisted])
    return _dressed(panel.build(), says, _asked([query for lower, upper, _ in pairs for query in (lower, upper)]))


def heat(says: Says, query: Query, cells: str) -> model.Panel:
    """Return a classic histogram's buckets over time; `cells` is the unit of what is counted in them."""
    colours = (
        heatmap.HeatmapColorOptions()
        .mode(HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .scale(HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
    )
    panel = (
        heatmap.Panel()
        .calculate(False)
        .color(colours)
        .rows_frame(heatmap.RowsHeatmapOptions().layout(shape.HeatmapCellLayout.AUTO))
        .y_axis(heatmap.YAxisConfig().unit(says.unit).axis_placement(shape.AxisPlacement.LEFT))
        .cell_values(heatmap.CellValues().unit(cells))
        .tooltip(heatmap.HeatmapTooltip().mode(shape.TooltipDisplayMode.SINGLE).y_histogram(True))
        .exemplars_color("rgba(31,120,193,0.9)")
        .interval(MINUTE)
    )
    return _dressed(panel.build(), says, [_target(query, 0).format(PromQueryFormat.HEATMAP)])


def states(says: Says, *queries: Query, named: Named) -> model.Panel:
    """Return what was so when, as bars along the time."""
    panel = (
        statetimeline.Panel()
        .show_value(shape.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.8)
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(shape.TooltipDisplayMode.SINGLE).sort(shape.SortOrder.NONE))
    )
    return _dressed(panel.build(), says, _asked(queries), named)


def alerts(says: Says, containing: str) -> model.Panel:
    """Return the alerts that fire or are pending and whose name contains a word."""
    panel = (
        frame.Panel()
        .type("alertlist")
        .options(
            {
                "alertInstanceLabelFilter": "",
                "alertName": containing,
                "dashboardAlerts": False,
                "groupBy": [],
                "groupMode": "default",
                "maxItems": 20,
                "sortOrder": 3,  # by importance
                "stateFilter": {"error": True, "firing": True, "noData": False, "normal": False, "pending": True},
                "viewMode": "list",
            }
        )
    )
    built = panel.build()
    built.title, built.description = says.title, says.about
    return built


def leading_to(panel: model.Panel, uid: str, title: str) -> model.Panel:
    """Link a panel to the dashboard that tells more."""
    url = f"/d/{uid}?${{__all_variables}}&${{__url_time_range}}"
    panel.links = [frame.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).build()]
    return panel


def _dressed(
    panel: model.Panel, says: Says, targets: Sequence[prometheus.Dataquery], named: Named | None = None
) -> model.Panel:
    panel.title, panel.description, panel.datasource = says.title, says.about, SOURCE
    panel.targets = [target.build() for target in targets]
    config = panel.field_config = panel.field_config or model.FieldConfigSource()
    config.defaults.unit, config.defaults.decimals, config.defaults.no_value = says.unit, says.decimals, says.empty
    if named is not None:
        config.defaults.mappings = [model.ValueMap(options=_results(named))]
    return panel


def _results(named: Named) -> dict[str, model.ValueMappingResult]:
    return {
        value: model.ValueMappingResult(text=word, color=colour, index=index)
        for index, (value, (word, colour)) in enumerate(named.words.items())
    }


def _asked(queries: Sequence[Query], *, at_once: bool = False) -> list[prometheus.Dataquery]:
    made: Callable[[prometheus.Dataquery], prometheus.Dataquery] = (
        prometheus.Dataquery.instant if at_once else prometheus.Dataquery.range
    )
    return [made(_target(query, index)) for index, query in enumerate(queries)]


def _target(query: Query, index: int) -> prometheus.Dataquery:
    target = (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .expr(query.expression)
        .legend_format(query.legend)
        .ref_id(chr(ord("A") + index))
        .exemplar(query.exemplars)
    )
    return target.format(PromQueryFormat.TIME_SERIES)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(shape.LegendDisplayMode.LIST)
        .placement(shape.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _thresholds(steps: Steps) -> frame.ThresholdsConfig:
    return (
        frame.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})

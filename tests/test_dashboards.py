"""The dashboards: made from their source, about metrics that exist, and put together so that Grafana shows them all."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final

import promql_parser as promql
import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from exporter.catalogue import METRICS, Kind
from grafana.source.measures import UIDS
from grafana.source.rendering import FOLDER, files
from tests.boards import Asked, boards, filled, panels, queries, variables
from tests.promql import CLIENT, SCRAPED, exported, labels, selectors

LEFT_OUT: Final = {
    "smsbat_delivery_ratio": "the dashboards divide the counters, over any time and label",
    "smsbat_fallback_usage_ratio": "likewise",
    "smsbat_cost_window": "likewise",
    "smsbat_cost_per_delivered": "likewise",
    "smsbat_exporter_config_last_reload_success_timestamp_seconds": "whether it worked is enough to see",
    "process_virtual_memory_bytes": "says little about a process with mapped files; the resident memory is shown",
    "python_gc_collections_total": "for those who change the exporter",
    "python_gc_objects_collected_total": "likewise",
    "python_gc_objects_uncollectable_total": "likewise",
    "python_info": "the version's panel says which exporter it is",
}
"""What no dashboard shows, and why."""
CORE: Final = {"alertlist", "bargauge", "heatmap", "row", "state-timeline", "stat", "table", "timeseries"}
"""Panels that come with Grafana."""
BURN_WINDOWS: Final = {"5m", "1h", "2h", "6h", "1d", "3d"}
"""The windows of the burn rates are what is compared, so they do not follow the dashboard's step."""
QUERIES: Final = tuple(queries())
_RANGE: Final = re.compile(r"\[([^]]+)\]")


def test_the_committed_dashboards_are_what_their_source_makes() -> None:
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert committed == files(), "run `make dashboards`"


def test_grafanas_own_types_know_every_field_of_the_committed_dashboards() -> None:
    register_default_plugins()
    for board in boards().values():
        known = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
        for link in known["links"]:
            del link["placement"]
        assert {**known, "id": None} == board


def test_every_query_is_of_metrics_and_labels_that_the_exporter_exports() -> None:
    known = exported()
    for query in QUERIES:
        for selector in selectors(promql.parse(filled(query.expression))):
            assert selector.name in known, query.name
            assert matched(selector) <= known[selector.name] | SCRAPED, (query.name, selector.name)


def matched(selector: promql.VectorSelector) -> set[str]:
    """Return the labels that a selector looks at."""
    return {matcher.name for matcher in selector.matchers.matchers}


def test_every_variable_asks_for_metrics_and_labels_that_the_exporter_exports() -> None:
    known = exported()
    for name, selector, label in variables():
        parsed = promql.parse(filled(selector))
        assert isinstance(parsed, promql.VectorSelector), name
        assert matched(parsed) | ({label} if label else set()) <= known[str(parsed.name)] | SCRAPED, name


@pytest.mark.parametrize("query", QUERIES, ids=lambda it: it.name)
def test_every_legend_is_of_labels_that_the_query_leaves(query: Asked) -> None:
    left = labels(promql.parse(filled(query.expression)), exported())
    named = set(re.findall(r"\{\{(.*?)\}\}", filled(query.legend)))
    assert left is not None
    assert named <= left
    if query.kind != "table":
        assert left - SCRAPED <= named, "some series look alike"


def test_every_table_names_the_labels_that_its_queries_leave() -> None:
    known = exported()
    for board, panel in panels():
        if panel["type"] == "table":
            (organize,) = (it["options"] for it in panel["transformations"] if it["id"] == "organize")
            titled = {name for name in organize["renameByName"] if not name.startswith("Value")}
            for target in panel["targets"]:
                assert set(labels(promql.parse(filled(target["expr"])), known) or ()) == titled, (board, panel["title"])


def test_every_exported_metric_is_on_a_dashboard_or_left_out_for_a_reason() -> None:
    names = {selector.name for query in QUERIES for selector in selectors(promql.parse(filled(query.expression)))}
    shown = {re.sub(r"_(bucket|count|sum)$", "", str(name)) for name in names}
    everything = {metric.name for metric in METRICS} | CLIENT.keys()
    assert everything - shown == LEFT_OUT.keys()


def test_every_selector_follows_the_variables_that_its_metric_has_labels_for() -> None:
    known = exported()
    for query in QUERIES:
        scraped = {"job", "instance"}
        usual = scraped | ({"account"} if query.board.endswith("Exporter") else {"account", "channel"})
        # The limit is a process's, over all its accounts.
        usual = scraped if "smsbat_exporter_max_in_flight" in query.expression else usual
        for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", query.expression):
            followed = set(re.findall(r'(\w+)=~"\$\1"', matchers))
            assert followed - {"objective"} == (known[name] | SCRAPED) & usual, (query.name, name)


def test_counters_are_rated_before_they_are_added_up_and_gauges_never() -> None:
    counters = {metric.name for metric in METRICS if metric.kind is not Kind.GAUGE} | {"process_cpu_seconds_total"}
    for query in QUERIES:
        for name, window in re.findall(r"(\w+)\{[^}]*\}(\[[^]]+\])?", query.expression):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            assert (family in counters) == bool(window), (query.name, name)
        assert len(_RANGE.findall(query.expression)) == len(re.findall(r"(?:rate|increase)\(", query.expression)), (
            query.name
        )


def test_what_is_drawn_over_time_is_rated_over_grafanas_own_interval() -> None:
    for query in QUERIES:
        assert set(re.findall(r"\brate\([^[]*\[([^]]+)\]", query.expression)) <= {"$__rate_interval"}, query.name
        windows = set(_RANGE.findall(query.expression))
        if query.at_once:
            assert windows <= {"$__range", "$period", "15m", "1h"}, query.name
        elif "burn" in query.panel:
            assert windows <= BURN_WINDOWS, query.name
        else:
            assert windows <= {"$__rate_interval"}, query.name


def test_money_of_different_currencies_is_never_added_up() -> None:
    money = {"smsbat_cost_total", "smsbat_rate_amount_total", "smsbat_bill_amount_total"}
    found = [query for query in QUERIES if any(name in query.expression for name in money)]
    assert found
    for query in found:
        assert "currency" in (labels(promql.parse(filled(query.expression)), exported()) or ()), query.name


def test_every_panel_says_what_it_is_about_in_which_unit_and_what_an_empty_one_means() -> None:
    for board, panel in panels():
        assert len(panel["title"]) > 2, board
        assert panel["description"].endswith("."), (board, panel["title"])
        if panel["type"] != "alertlist":
            defaults = panel["fieldConfig"]["defaults"]
            assert defaults["unit"], (board, panel["title"])
            assert defaults["noValue"], (board, panel["title"])
            assert panel["targets"], (board, panel["title"])
        assert panel["type"] in CORE


def test_titles_are_unique_on_their_dashboard() -> None:
    assert [
        it for it, times in Counter((board, panel["title"]) for board, panel in panels()).items() if times > 1
    ] == []


def test_everything_asks_the_data_source_that_was_chosen() -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for board in boards().values():
        assert set(map(repr, references(board))) == {repr(chosen)}
        for panel in board["panels"]:
            if panel["type"] not in {"row", "alertlist"}:
                assert panel["datasource"] == chosen
                assert all(target["datasource"] == chosen for target in panel["targets"])


def references(node: Any) -> list[Any]:  # noqa: ANN401
    """Return whatever stands under a key `datasource`, at any depth."""
    if isinstance(node, list):
        return [found for it in node for found in references(it)]
    if isinstance(node, dict):
        own = [node["datasource"]] if "datasource" in node else []
        return own + [found for it in node.values() for found in references(it)]
    return []


def test_dashboards_can_be_provisioned_and_imported_side_by_side() -> None:
    found = boards()
    assert [board["uid"] for board in found.values()] == sorted(UIDS.values())
    assert [f"{board['uid']}.json" for board in found.values()] == list(found)
    assert len({board["title"] for board in found.values()}) == len(found)
    for board in found.values():
        assert board["id"] is None
        assert board["tags"] == ["smsbat"]
        assert not {"__inputs", "__requires", "__elements"} & board.keys()
        assert "DS_" not in str(board)
        assert board["schemaVersion"] == 38


def test_dashboards_lead_to_each_other_with_their_variables_and_their_time() -> None:
    for board in boards().values():
        (link,) = board["links"]
        assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
            "dashboards",
            ["smsbat"],
            True,
            True,
        )
    for board, panel in panels():
        for link in panel.get("links", ()):
            target = re.fullmatch(r"/d/([\w-]+)\?\$\{__all_variables\}&\$\{__url_time_range\}", link["url"])
            assert target, (board, link)
            assert target[1] in UIDS.values()


def test_variables_are_the_usual_ones_and_all_means_all() -> None:
    for board in boards().values():
        listed = {variable["name"]: variable for variable in board["templating"]["list"]}
        assert list(listed)[:4] == ["datasource", "job", "instance", "account"]
        assert listed["datasource"]["type"] == "datasource"
        assert listed["datasource"]["query"] == "prometheus"
        assert "channel" in listed or board["uid"] == UIDS["exporter"]
        for name in listed.keys() & {"job", "instance", "account", "channel", "objective"}:
            variable = listed[name]
            assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
            assert variable["current"]["value"] == "$__all"
            assert variable["refresh"] == 2, "what came up within the time shown can be chosen"


def test_every_variable_that_is_used_is_defined_and_every_defined_one_is_used() -> None:
    for board in boards().values():
        defined = {variable["name"] for variable in board["templating"]["list"]}
        text = repr(board["panels"]) + repr([variable.get("query") for variable in board["templating"]["list"]])
        used = {first or second for first, second in re.findall(r"\$(\w+)|\$\{(\w+)\}", text)}
        assert {name for name in used if not name.startswith("__")} == defined - {"datasource"} | {"datasource"}


def test_panels_stand_beside_and_below_each_other_without_gaps_or_overlaps() -> None:
    for board in boards().values():
        covered = Counter(
            (x, y)
            for place in (panel["gridPos"] for panel in board["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
        height = max(y for _, y in covered) + 1
        assert covered == Counter((x, y) for x in range(24) for y in range(height)), board["title"]
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_a_time_to_delivery_is_a_band_between_what_polls_allow_with_exemplars() -> None:
    for board, panel in panels():
        if "DELIVERY" in board.upper() and panel["type"] == "heatmap":
            (target,) = panel["targets"]
            assert (target["format"], target["exemplar"], panel["options"]["calculate"]) == ("heatmap", True, False)
    bands = [panel for _, panel in panels() if "fillBelowTo" in str(panel)]
    assert len(bands) == 2
    for panel in bands:
        drawn = {target["legendFormat"]: target for target in panel["targets"]}
        for override in panel["fieldConfig"]["overrides"]:
            for setting in override["properties"]:
                if setting["id"] == "custom.fillBelowTo":
                    upper, lower = drawn[override["matcher"]["options"]], drawn[setting["value"]]
                    assert "smsbat_time_to_delivery_seconds_bucket" in upper["expr"]
                    assert "smsbat_time_to_delivery_lower_bound_seconds_bucket" in lower["expr"]
        assert sum(target["exemplar"] for target in panel["targets"]) == 1, "more would draw each dot again"


def test_colours_are_of_series_that_the_panel_has() -> None:
    fixed = {
        "delivered",
        "undeliverable",
        "permanenterror",
        "timeout",
        "not_found",
        "unobserved",
        "failed",
        "pending",
        "unknown",
    }
    for board, panel in panels():
        titles = {target.get("legendFormat") for target in panel.get("targets", ())}
        renamed = {
            name for it in panel.get("transformations", ()) for name in it["options"].get("renameByName", {}).values()
        }
        for override in panel.get("fieldConfig", {}).get("overrides", ()):
            assert override["matcher"]["options"] in titles | renamed | fixed, (board, panel["title"])

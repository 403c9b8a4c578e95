"""Objectives: how fast the misses that a target allows are used up, how many are left, and who causes them."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import CustomVariable
from grafana_foundation_sdk.models.dashboard import Panel, VariableModel, VariableOption

from exporter import catalogue as metrics
from grafana.source import measures
from grafana.source.measures import A_MINUTE, UIDS
from grafana.source.page import Page, Section, several
from grafana.source.panels import MINUTE, Says, Steps, bars, lines, stat_panel
from grafana.source.queries import PROCESS, RANGE, Query, a_minute, increase, or_zero, rate
from grafana.source.tables import Column, rows

_CHOSEN = 'objective=~"$objective"'
_PERIOD = "$period"
_PERIODS = ("1d", "7d", "28d", "30d")
_USUAL_PERIOD = "7d"
"""Prometheus keeps 15 days unless told otherwise."""
_WORST = 10
_LONG_STEP = "5m"
"""Days are rated anew at each step, and change little from one to the next."""


def page() -> Page:
    """Return the dashboard."""
    state = (7, [(8, _left()), (8, _met()), (8, _burn_now())])
    burns = [
        (8, _burns("Fast burn", ("5m", "1h"), 14.4, "2 % of a month's budget in an hour", MINUTE)),
        (8, _burns("Slow burn", ("2h", "1d"), 3.0, "10 % of a month's budget in a day", _LONG_STEP)),
        (8, _burns("Slowest burn", ("6h", "3d"), 1.0, "all of a month's budget in a month", _LONG_STEP)),
    ]
    return Page(
        UIDS["objectives"],
        "Objectives",
        "Whether objectives are met, how fast their budgets burn, and which channels burn them. An objective judges "
        "each message once; its budget is the share of misses that the target allows.",
        [Section("", [state, (9, burns), (9, [(12, _worst()), (12, _judged())])])],
        [_objective(), _period()],
    )


def _objective() -> VariableModel:
    query = f"label_values({metrics.OBJECTIVE_TARGET.name}{{{PROCESS}}}, objective)"
    return several("objective", "Objective", "Which objectives of the configuration.", query)


def _period() -> VariableModel:
    options = [VariableOption(text=it, value=it, selected=it == _USUAL_PERIOD) for it in _PERIODS]
    variable = (
        CustomVariable("period")
        .label("Period")
        .description("The time that a budget is for; no longer than Prometheus keeps.")
    )
    return (
        variable.values(",".join(_PERIODS))
        .options(options)
        .current(VariableOption(text=_USUAL_PERIOD, value=_USUAL_PERIOD))
        .build()
    )


def _left() -> Panel:
    says = Says(
        "Budget left, of $period",
        "How much of the misses that the target allows is left. At 0 % the objective is just met, below it is missed.",
        "percentunit",
        1,
        "No objective, or nothing judged",
    )
    query = Query(measures.budget_left(_PERIOD, _CHOSEN), "{{objective}}")
    return bars(says, query, steps=measures.BUDGET_LEFT)


def _met() -> Panel:
    says = Says(
        "Met, and the target",
        "Share of the judged messages that met the objective over the period, beside the share that shall.",
        "percentunit",
        empty="No objective, or nothing judged",
    )
    columns = [
        Column(f"1 - {measures.missed_share(_PERIOD, _CHOSEN)}", "Met", "percentunit", 2),
        Column(measures.target(_CHOSEN), "Target", "percentunit", 2),
        Column(increase(metrics.OBJECTIVE_JUDGED, _CHOSEN, by=("objective",), over=_PERIOD), "Judged", "short"),
    ]
    return rows(says, {"objective": "Objective"}, columns, "Target")


def _burn_now() -> Panel:
    says = Says(
        "Burn rate of the last hour",
        "How many times faster than it may the budget was used up within an hour. At 1 it lasts for just the period.",
        "suffix:x",
        1,
        "Nothing judged within an hour",
    )
    query = Query(measures.burn("1h", _CHOSEN), "{{objective}}")
    return stat_panel(says, query, steps=((None, "green"), (1, "orange"), (6, "red")))


def _burns(title: str, windows: tuple[str, str], limit: float, meaning: str, step: str) -> Panel:
    says = Says(
        f"{title}: {windows[0]} and {windows[1]}",
        f"The budget's burn rate over two windows. Both above the dashed line, {limit:g}, deserve an alert: {meaning}.",
        "suffix:x",
        1,
        "Nothing judged",
    )
    dashed: Steps = ((None, "transparent"), (limit, "red"))
    queries = [Query(measures.burn(window, _CHOSEN), f"{{{{objective}}}}, {window}") for window in windows]
    return lines(says, *queries, limits=dashed, step=step)


def _worst() -> Panel:
    says = Says(
        "Channels that burn most",
        f"The {_WORST} channels with the most misses within the time shown, and the share of theirs that missed.",
        "short",
        empty="Nothing missed",
    )
    by = ("objective", "account", "channel")
    missed = increase(metrics.OBJECTIVE_MISSED, _CHOSEN, by=by)
    worst = f"topk({_WORST}, {missed} > 0)"
    part = f"({measures.missed_share(RANGE, _CHOSEN, by=by)}) and topk({_WORST}, {missed} > 0)"
    columns = [Column(worst, "Missed", "short"), Column(part, "Share missed", "percentunit", 1)]
    return rows(says, {"objective": "Objective", "account": "Account", "channel": "Channel"}, columns, "Missed")


def _judged() -> Panel:
    says = Says(
        "Judged messages",
        "Messages that met or missed, and those of which nobody can tell: accepted too late, or nobody could ask in "
        "time. Many undecided ones make the rest less certain.",
        A_MINUTE,
    )
    judged = rate(metrics.OBJECTIVE_JUDGED, _CHOSEN)
    missed = or_zero(rate(metrics.OBJECTIVE_MISSED, _CHOSEN), judged)
    return lines(
        says,
        Query(a_minute(f"({judged} - {missed})"), "met"),
        Query(a_minute(missed), "missed"),
        Query(a_minute(rate(metrics.OBJECTIVE_UNDECIDED, _CHOSEN)), "undecided"),
        stacked=True,
        step=MINUTE,
        colours={"met": "green", "missed": "red", "undecided": "#808080"},
    )

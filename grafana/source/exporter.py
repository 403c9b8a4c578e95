"""Exporter: whether it asks in time, gets answers, stores them, and has what it needs."""

from __future__ import annotations

from grafana_foundation_sdk.models.common import BigValueTextMode
from grafana_foundation_sdk.models.dashboard import Panel

from exporter import catalogue as metrics
from grafana.source import inside
from grafana.source.measures import UIDS, half_and_99
from grafana.source.page import Page, Section
from grafana.source.panels import MINUTE, Named, Says, Steps, lines, stat_panel, states
from grafana.source.queries import ACCOUNT, PROCESS, STEP, Query, of, rate, share, total

_GOOD_OR_BAD = Named({"1": ("OK", "green"), "0": ("Failing", "red")})
_UP_OR_DOWN = Named({"1": ("Up", "green"), "0": ("Down", "red")})
_GOES_OR_PAUSED = Named({"1": ("Paused", "red"), "0": ("Goes on", "green")})
_FULL: Steps = ((None, "green"), (0.7, "orange"), (0.9, "red"))
_BY_ACCOUNT = ("account",)


def page() -> Page:
    """Return the dashboard."""
    state = (5, [(4, _version()), (4, _api()), (4, _store()), (4, _reload()), (4, _room()), (4, _parked())])
    polls = [
        (9, [(8, _polls()), (8, _demand()), (8, _due())]),
        (8, [(8, _lag()), (8, _polls_a_message()), (8, _unchanged())]),
    ]
    api = [(8, [(8, _up()), (8, _paused()), (8, _duration())]), (7, [(24, _last_success())])]
    return Page(
        UIDS["exporter"],
        "Exporter",
        "Whether the other dashboards can be trusted: polls in time, an API that answers, a store that works.",
        [
            Section("", [state]),
            Section("Polls", polls),
            Section("SMSBat's API", api),
            *inside.sections(),
        ],
        by_channel=False,
    )


def _version() -> Panel:
    says = Says("Exporters", "How many run, by version.", "none", 0, "No exporter")
    query = Query(f"count by (version) ({of(metrics.BUILD_INFO)})", "{{version}}")
    return stat_panel(says, query, text=BigValueTextMode.VALUE_AND_NAME)


def _api() -> Panel:
    says = Says(
        "SMSBat's API",
        "Of the account that fares worst: down without an understood answer for a minute though it asked.",
        "none",
        empty="No exporter",
    )
    return stat_panel(says, Query(f"min({of(metrics.API_UP)})"), named=_UP_OR_DOWN)


def _store() -> Panel:
    says = Says(
        "Store",
        "Whether the last commit succeeded. While it fails, nothing new is accepted or shown, and nothing is lost.",
        "none",
        empty="No exporter",
    )
    return stat_panel(says, Query(f"min({of(metrics.STORE_UP)})"), named=_GOOD_OR_BAD)


def _reload() -> Panel:
    says = Says(
        "Configuration",
        "Whether the last attempt to read it succeeded; otherwise the one before it still holds.",
        "none",
        empty="No exporter",
    )
    return stat_panel(says, Query(f"min({of(metrics.RELOAD_OK)})"), named=_GOOD_OR_BAD)


def _room() -> Panel:
    says = Says(
        "In flight, of the most allowed",
        "Messages tracked now, as a share of `intake.max_in_flight`; at 100 % the API answers 429. Of the fullest.",
        "percentunit",
        1,
    )
    # Of all accounts, whichever are chosen: the limit is the process's.
    tracked = total(f"{metrics.IN_FLIGHT.name}{{{PROCESS}}}", ("job", "instance"))
    most = f"max by (job, instance) ({of(metrics.MAX_IN_FLIGHT)})"
    query = f"max({tracked} / {most})"
    return stat_panel(says, Query(query), steps=_FULL)


def _parked() -> Panel:
    says = Says(
        "Parked messages",
        "Messages in flight whose account is not configured: nobody asks about them until it returns.",
        "short",
        0,
    )
    query = Query(total(of(metrics.PARKED)))
    return stat_panel(says, query, steps=((None, "green"), (1, "orange")))


def _polls() -> Panel:
    says = Says("Polls, by result", "Status calls that ended, by what they brought.", "cps")
    return lines(says, Query(rate(metrics.POLLS, by=("result",)), "{{result}}"), stacked=True)


def _demand() -> Panel:
    says = Says(
        "Demand against budget",
        "Calls a second that the messages in flight ask for, and that the account may make now. Above its budget, "
        "polls stretch and the bands of the time to delivery widen.",
        "cps",
    )
    return lines(
        says,
        Query(total(of(metrics.DEMAND), _BY_ACCOUNT), "{{account}}, demand"),
        Query(total(of(metrics.BUDGET), _BY_ACCOUNT), "{{account}}, budget"),
    )


def _due() -> Panel:
    about = "Polls that are due and wait for budget; a queue that grows is never caught up."
    says = Says("Polls due", about, "short", 0)
    return lines(says, Query(total(of(metrics.POLLS_DUE), _BY_ACCOUNT), "{{account}}"))


def _lag() -> Panel:
    says = Says("Lag", "How late polls start, half and 99 % of them.", "s", empty="No poll")
    return lines(says, *half_and_99(metrics.POLL_LAG, _BY_ACCOUNT), step=MINUTE)


def _polls_a_message() -> Panel:
    says = Says(
        "Polls of a finished message",
        "Status calls for each message that ended: what tracking costs. Webhooks bring it down.",
        "short",
        1,
        "Nothing ended",
    )
    ended = total(f"rate({metrics.FINISHED.name}{{{ACCOUNT}}}[{STEP}])", _BY_ACCOUNT)
    query = share(rate(metrics.POLLS, by=_BY_ACCOUNT), ended)
    return lines(says, Query(query, "{{account}}"), step=MINUTE)


def _unchanged() -> Panel:
    says = Says(
        "Polls that changed nothing",
        "Share of status calls that were answered and brought nothing new. High and calm: longer intervals would do.",
        "percentunit",
        empty="No poll",
    )
    unchanged = rate(metrics.POLLS, 'result="unchanged"', by=_BY_ACCOUNT)
    query = share(unchanged, rate(metrics.POLLS, by=_BY_ACCOUNT))
    return lines(says, Query(query, "{{account}}"), step=MINUTE)


def _up() -> Panel:
    says = Says("API up", "Whether an account's calls were understandably answered.", "none")
    query = Query(f"min by (account) ({of(metrics.API_UP)})", "{{account}}")
    return states(says, query, named=_UP_OR_DOWN)


def _paused() -> Panel:
    says = Says(
        "Paused accounts",
        "When an account made no calls, and why: credentials refused, slowed down by SMSBat, or the store failing.",
        "none",
    )
    query = Query(f"max by (account, reason) ({of(metrics.PAUSED)})", "{{account}}, {{reason}}")
    return states(says, query, named=_GOES_OR_PAUSED)


def _duration() -> Panel:
    about = "From a status call's start to its answer's end, half and 99 %."
    says = Says("Duration of calls", about, "s", empty="No poll")
    return lines(says, *half_and_99(metrics.POLL_DURATION, _BY_ACCOUNT), step=MINUTE)


def _last_success() -> Panel:
    says = Says(
        "Since the last understood answer",
        "How long ago SMSBat last answered an account understandably. It also grows while there is nothing to ask.",
        "s",
        empty="No answer yet",
    )
    query = f"time() - max by (account) ({of(metrics.LAST_SUCCESS)})"
    return lines(says, Query(query, "{{account}}"))

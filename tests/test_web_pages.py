"""The status page as a browser takes it apart: everything escaped, nothing run, and words where there is nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from exporter.web.pages import render
from exporter.web.status import (
    AccountRow,
    ChannelRow,
    Door,
    EndedRow,
    InFlightRow,
    Judged,
    Money,
    StatusPage,
    Totals,
    Tracking,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 1_800_000_000.0
VOID = {"meta", "rect"}
EVIL = """<script>alert(1)</script><img src=x onerror=alert(2)>" onload="x' {{ 7*7 }} & </td></table>"""

JUDGED = Judged(delivered=1_200, failed=30, pending=20, unknown=5)
COSTS = (Money(Decimal("1.5"), "EUR"), Money(Decimal("0.0125"), "USD"))
CHANNEL = ChannelRow(account="shop", channel="viber_otp", judged=JUDGED, fallback_ratio=0.125, costs=COSTS)
WINDOW = Window(seconds=3600.0, judged=JUDGED, fallback_ratio=0.125, costs=COSTS, channels=(CHANNEL,))
ACCOUNT = AccountRow(
    name="shop",
    up=True,
    pauses=(),
    allowed_per_second=10.0,
    asked_per_second=2.5,
    polls_due=3,
    last_success_at=NOW - 4.0,
)
ENDED = EndedRow(
    at=NOW - 60.0,
    account="shop",
    id="abc123def456",
    channel="viber_otp",
    outcome="delivered",
    fallback="used",
    via="sms",
    took=(2.5, 4.8),
    cost=Money(Decimal("0.05"), "USD"),
)
TRACKING = Tracking(
    at=NOW,
    window=WINDOW,
    totals=Totals(accepted=2_000, abandoned=7, outcomes={"delivered": 1_900, "timeout": 42}, costs=COSTS),
    statuses=("accepted", "processing"),
    max_in_flight=100_000,
    in_flight=(
        InFlightRow(account="shop", channel="viber_otp", by_status=(3, 4)),
        InFlightRow(account="shop", channel="sms", by_status=(0, 1_000)),
    ),
    accounts=(ACCOUNT,),
    retention_seconds=86_400.0,
    ended=(ENDED,),
)
PAGE = StatusPage(version="1.2.3", ready=True, problems=(), tracking=TRACKING)
NOTHING = replace(
    TRACKING,
    window=Window(seconds=3600.0, judged=Judged(), fallback_ratio=None, costs=(), channels=()),
    totals=Totals(accepted=0, abandoned=0, outcomes={"delivered": 0}, costs=()),
    in_flight=(),
    accounts=(replace(ACCOUNT, last_success_at=None),),
    ended=(),
)


class Reader(HTMLParser):
    """Reads a page as a tree must be built: every element is closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []
        self.rows = [[*map(words, row)] for row in self.rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    def row(self, *beginning: str) -> list[str]:
        """Return the table row that begins so."""
        (found,) = [row for row in self.rows if row[: len(beginning)] == [*beginning]]
        return found


def words(text: str) -> str:
    return " ".join(text.split())


def read(page: StatusPage) -> Reader:
    return Reader(render(page))


def read_tracking(**changes: Any) -> Reader:  # noqa: ANN401
    return read(replace(PAGE, tracking=replace(TRACKING, **changes)))


def test_it_is_a_page_for_phones_that_refreshes_itself() -> None:
    metas = [attributes for tag, attributes in read(PAGE).elements if tag == "meta"]
    assert {"http-equiv": "refresh", "content": "10"} in metas
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert ("html", {"lang": "en"}) in read(PAGE).elements


def test_it_runs_nothing_and_loads_nothing() -> None:
    elements = read(PAGE).elements
    assert {tag for tag, _ in elements}.isdisjoint({"script", "img", "link", "iframe", "object", "form", "base"})
    attributes = {name for _, given in elements for name in given}
    assert attributes.isdisjoint({"style", "src", "action"})
    assert not [name for name in attributes if name.startswith("on")]


def test_the_headline_figures_are_there() -> None:
    text = words(read(PAGE).text)
    for figure in (
        "Delivery rate, last 1 h 96 %",
        "1 200 delivered, 30 failed, 20 pending",
        "In flight now 1 007 of at most 100 000",
        "Fallback used, last 1 h 12.5 %",
        "Cost, last 1 h 1.50 EUR 0.0125 USD",
        "accepted 2 000 delivered 1 900 timeout 42 abandoned 7 cost 1.50 EUR, 0.0125 USD",
        "2027-01-15 08:00:00 UTC",
        "Nothing is wrong",
    ):
        assert figure in text


def test_the_tables_hold_what_they_are_given() -> None:
    page = read(PAGE)
    assert page.row("shop", "viber_otp", "96 %") == [
        *("shop", "viber_otp", "96 %", "", "1 200", "30", "20", "5", "12.5 %", "1.50 EUR, 0.0125 USD")
    ]
    assert page.row("shop", "viber_otp", "7") == ["shop", "viber_otp", "7", "3", "4"]
    assert page.row("All") == ["All", "1 007", "3", "1 004"]
    assert page.row("shop", "up") == ["shop", "up", "10", "2.5", "3", "07:59:56 4 s ago"]
    assert page.row("07:59:00") == [
        *("07:59:00", "delivered", "shop", "viber_otp", "used, via sms"),
        *("2.5 s \N{EN DASH} 4.8 s", "0.05 USD", "abc123def456"),
    ]


def test_a_bar_shows_delivered_failed_and_pending() -> None:
    bars = [attributes for tag, attributes in read(PAGE).elements if tag == "rect"]
    assert [(bar["class"], bar["x"], bar["width"]) for bar in bars[:3]] == [
        ("good", "0.0", "96.0"),
        ("bad", "96.0", "2.4"),
        ("wait", "98.4", "1.6"),
    ]


def test_a_message_that_smsbat_did_not_end_has_dashes() -> None:
    row = replace(ENDED, outcome="abandoned", fallback=None, via=None, took=None, cost=None)
    assert read_tracking(ended=(row,)).row("07:59:00")[4:7] == ["\N{EN DASH}"] * 3


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "up"),
        ({"up": False}, "no answers"),
        ({"pauses": ("unauthorized",)}, "paused: credentials refused"),
        ({"pauses": ("forbidden",)}, "paused: calls forbidden"),
        ({"pauses": ("rate_limited", "store")}, "paused: rate limited paused: the store does not work"),
        ({"pauses": ("unauthorized",), "up": False}, "paused: credentials refused no answers"),
        ({"asked_per_second": 10.1}, "up polls stretched"),
    ],
)
def test_an_accounts_state_is_in_words(changes: dict[str, Any], state: str) -> None:
    assert read_tracking(accounts=(replace(ACCOUNT, **changes),)).row("shop", state)


@pytest.mark.parametrize(("number", "title"), [(0, "smsbat-exporter"), (2, "(2) smsbat-exporter")])
def test_what_is_wrong_is_said_line_by_line_and_counted_in_the_title(number: int, title: str) -> None:
    lines = [f"account a{each}: no answers" for each in range(number)]
    page = render(replace(PAGE, problems=tuple(lines)))
    assert f"<title>{title}</title>" in page
    assert re.findall(r"<li>(.*)</li>", page) == lines
    assert ("Nothing is wrong" in page) is not bool(lines)


def test_while_loading_it_says_so_and_comes_back_soon() -> None:
    page = read(StatusPage(version="1.2.3", ready=False, problems=("starting",), tracking=None))
    assert words(
        page.text
    ) == "smsbat-exporter smsbat-exporter 1.2.3 Loading starting Metrics Health Readiness".replace(
        "smsbat-exporter ", "(1) smsbat-exporter ", 1
    )
    assert ("meta", {"http-equiv": "refresh", "content": "2"}) in page.elements


def test_where_nothing_came_yet_it_says_how_to_hand_in_a_message() -> None:
    door = Door(url="http://127.0.0.1:4711", needs_token=False)
    text = words(read(replace(PAGE, tracking=NOTHING, door=door)).text)
    assert "Nothing is tracked yet" in text
    assert "curl http://127.0.0.1:4711/api/v1/messages -H 'Content-Type: application/json' -d '{" in text
    assert "messages in the configuration" in text
    assert "Nothing is tracked yet" not in read(PAGE).text


def test_where_a_token_is_needed_the_way_to_hand_in_a_message_has_one() -> None:
    door = Door(url="http://localhost:4711", needs_token=True)
    text = words(read(replace(PAGE, tracking=NOTHING, door=door)).text)
    assert 'curl http://localhost:4711/api/v1/messages -H "X-Exporter-Token: $TOKEN" -H' in text


def test_before_the_api_listener_listens_the_page_names_no_address_of_it() -> None:
    text = words(read(replace(PAGE, tracking=NOTHING)).text)
    assert "List a message that SMSBat accepted under messages in the configuration" in text
    assert "curl" not in text


def test_empty_parts_say_what_would_be_there() -> None:
    page = read(replace(PAGE, tracking=NOTHING))
    text = words(page.text)
    for hint in (
        "no message has matured in it",
        "nothing was charged",
        "No message has matured in the last 1 h",
        "No message is in flight",
        "No message has ended in the last 1 d",
        "none since the start",
    ):
        assert hint in text
    assert len(page.rows) == 2


def test_a_list_that_the_store_does_not_give_is_said_to_be_missing() -> None:
    page = read_tracking(ended=None)
    assert "The store cannot be read now" in page.text
    assert page.row("All") == ["All", "1 007", "3", "1 004"]


def evil(texts: Sequence[str]) -> StatusPage:
    """Return a page in which every text is one of these."""
    first, *_ = texts
    return StatusPage(
        version=first,
        ready=True,
        problems=tuple(texts),
        tracking=replace(
            TRACKING,
            window=replace(
                WINDOW,
                costs=(Money(Decimal(1), first),),
                channels=(replace(CHANNEL, account=first, channel=first, costs=(Money(Decimal(1), first),)),),
            ),
            totals=replace(TRACKING.totals, outcomes={first: 1}, costs=(Money(Decimal(1), first),)),
            statuses=(first, first),
            in_flight=(InFlightRow(account=first, channel=first, by_status=(1, 1)),),
            accounts=(replace(ACCOUNT, name=first),),
            ended=(
                EndedRow(
                    at=NOW,
                    account=first,
                    id=first,
                    channel=first,
                    outcome=first,
                    fallback=first,
                    via=first,
                    took=(0.0, 1.0),
                    cost=Money(Decimal(1), first),
                ),
            ),
        ),
    )


def test_every_text_is_escaped_wherever_it_stands() -> None:
    harmless, harmful = read(evil(["harmless"])), read(evil([EVIL]))
    assert [tag for tag, _ in harmful.elements] == [tag for tag, _ in harmless.elements]
    assert [sorted(given) for _, given in harmful.elements] == [sorted(given) for _, given in harmless.elements]
    assert harmful.text.lower().count(EVIL.lower()) == harmless.text.lower().count("harmless")
    assert "{{ 7*7 }}" in harmful.text


def test_the_engine_is_imported_by_the_first_visitor_only() -> None:
    late = "{'jinja2', 'exporter.overview', 'exporter.web.pages', 'exporter.web.status'}"
    script = f"import sys, exporter.app; sys.exit(bool({late} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0  # noqa: S603

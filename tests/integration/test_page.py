"""The status page in a real Chromium: on a phone and a desk, in light and dark, and without a complaint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from exporter.simulator import Life, Simulator
from tests.integration.browser import Tab, browsing, executable
from tests.integration.configs import KEY, account, config, message
from tests.integration.process import Exporter, serving, write_config
from tests.integration.simulated import ENDLESS, delivered_after, simulated

CHROMIUM: Final = executable()
PHONE: Final = "380671234567"
REVOKED: Final = "key-revoked"
FINISHED: Final = "smsbat_messages_finished_total"
WIDE_ID: Final = "x" * 128
REFUSED: Final = "account refused: SMSBat refuses the credentials (401)"
NEEDED: Final = "document.documentElement.scrollWidth"
CARDS_NEED: Final = "Math.max(...[...document.querySelectorAll('.cards')].map(e => e.parentElement.scrollWidth))"
COLOURS: Final = (
    "[...document.querySelectorAll('body, section, .state, .tiles div')].map(e => getComputedStyle(e).backgroundColor)"
)
CONTRASTS: Final = """
(() => {
  const parts = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    const own = parts(getComputedStyle(element).backgroundColor);
    return own.length === 3 || own[3] === 1 ? own : behind(element.parentElement);
  };
  const texts = [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  return Math.min(...texts.map(e => {
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return (a + .05) / (b + .05);
  }));
})()
"""
"""The smallest contrast between a text and what is behind it, as WCAG counts it."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt install chromium")


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    assert CHROMIUM is not None
    async with browsing(CHROMIUM, tmp_path / "profile") as opened:
        yield opened


async def text_of(tab: Tab) -> str:
    text: str = await tab.value("document.body.innerText")
    return text


async def rows(tab: Tab, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    found: list[list[str]] = await tab.value(
        f"[...[...document.querySelectorAll('section')].find(s => s.innerText.startsWith('{heading}'))"
        ".querySelectorAll('tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))"
    )
    return found


def add_traffic(simulator: Simulator) -> list[Any]:
    """Have messages that end in every way that a few seconds allow, some with awkward ids; return them as listed."""
    rescued = Life.scripted(
        [
            (0.0, "processing", {"viber": "processing", "sms": "not_used"}),
            (1.5, "delivered", {"viber": "undeliverable", "sms": "delivered"}),
        ],
        cost="0.0150",
    )
    lives = {
        "msg-1": ("viber_otp", rescued),
        "msg-2": ("sms", delivered_after(0.5, cost="1234.5")),
        "msg-3": ("rcs", Life.scripted([(0.0, "processing"), (1.0, "undeliverable")])),
        f"sms-{PHONE}": ("sms", delivered_after(0.0)),
        WIDE_ID: ("viber_carousel", delivered_after(0.0)),
        "open-1": ("viber_promo", ENDLESS),
    }
    for message_id, (_, life) in lives.items():
        simulator.add(message_id, life=life)
    return [message(message_id, channel) for message_id, (channel, _) in lives.items()]


def write(folder: Path, simulator: Simulator, listed: list[Any]) -> None:
    """Configure an account that works and one whose key is refused."""
    accounts = [
        account(simulator.url),
        account(simulator.url, "refused", auth={"method": "header", "api_key": REVOKED}),
    ]
    write_config(folder, config(accounts, [*listed, message("msg-r", account="refused")]))


async def some_ended(exporter: Exporter) -> str:
    """Wait until all have ended that will, and the refused account is known to be; return where the page is."""
    await exporter.shows(lambda scrape: scrape.sum(FINISHED) == 5)
    await exporter.shows(lambda scrape: scrape.sum("smsbat_exporter_account_paused", account="refused") == 1)
    return await exporter.ready() + "/"


async def test_it_shows_what_happened_and_fits_every_screen_in_light_and_dark(tmp_path: Path, tab: Tab) -> None:
    async with simulated() as simulator:
        write(tmp_path, simulator, add_traffic(simulator))
        async with serving(tmp_path) as exporter:
            url = await some_ended(exporter)
            colours: dict[str, list[str]] = {}
            for width, scheme in product((360, 1100), ("light", "dark")):
                await tab.look_like(width, scheme=scheme, mobile=width < 500)
                await tab.open(url)
                assert await tab.value(NEEDED) <= width, scheme
                assert await tab.value(CARDS_NEED) <= width, scheme
                assert await tab.value(CONTRASTS) >= 4.5, f"{width} px, {scheme}"
                colours[scheme] = await tab.value(COLOURS)
            assert not set(colours["light"]) & set(colours["dark"])
            await tab.look_like(1100)
            await tab.open(url)
            await shows_the_traffic(tab)
            assert await exporter.stop() == 0
    assert tab.complaints == []
    assert set(tab.requested) == {url}


async def shows_the_traffic(tab: Tab) -> None:
    text = await text_of(tab)
    assert REFUSED in text
    assert KEY not in text
    assert REVOKED not in text
    assert PHONE not in text
    ended = {row[-1]: row[1:-1] for row in await rows(tab, "Last to end")}
    assert set(ended) == {"msg-1", "msg-2", "msg-3", "sms-…4567", WIDE_ID}
    assert ended["msg-1"][:4] == ["delivered", "main", "viber_otp", "used, via sms"]
    assert ended["msg-1"][5] == "0.015\N{NARROW NO-BREAK SPACE}USD"
    assert ended["msg-2"][5] == "1\N{NARROW NO-BREAK SPACE}234.50\N{NARROW NO-BREAK SPACE}USD"
    assert ended["msg-3"][0] == "undeliverable"
    assert {(row[0], row[1]): row[2] for row in await rows(tab, "In flight")} == {
        ("main", "viber_promo"): "1",
        ("refused", "sms"): "1",
    }
    assert [row[:2] for row in await rows(tab, "Accounts")] == [
        ["main", "up"],
        ["refused", "paused: credentials refused no answers"],
    ]


async def test_it_refreshes_itself_and_shows_what_is_new(tmp_path: Path, tab: Tab) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=delivered_after(3.0))
        write_config(tmp_path, config([account(simulator.url)], [message("msg-1")]))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum("smsbat_messages_in_flight") == 1)
            await tab.open(await exporter.url() + "/")
            assert await rows(tab, "Last to end") == []
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) == 1)
            await tab.loaded(tab.loads + 1)
            assert [row[-1] for row in await rows(tab, "Last to end")] == ["msg-1"]
            assert await exporter.stop() == 0
    assert tab.complaints == []


async def test_an_exporter_without_messages_says_how_to_hand_one_in(tmp_path: Path, tab: Tab) -> None:
    write_config(tmp_path, config([account("http://127.0.0.1:1")]))
    async with serving(tmp_path) as exporter:
        await tab.look_like(360, mobile=True)
        await tab.open(await exporter.ready() + "/")
        assert await tab.value(NEEDED) <= 360
        text = await text_of(tab)
        assert "Nothing is wrong" in text
        assert "Nothing is tracked yet" in text
        assert f"curl {await exporter.api_url()}/api/v1/messages -H 'Content-Type" in text
        assert await exporter.stop() == 0
    assert tab.complaints == []


async def test_the_list_is_still_there_after_kill_9(tmp_path: Path) -> None:
    async with simulated() as simulator:
        simulator.add("msg-1", life=delivered_after(0.0))
        write_config(tmp_path, config([account(simulator.url)], [message("msg-1")]))
        async with serving(tmp_path) as exporter:
            await exporter.shows(lambda scrape: scrape.sum(FINISHED) == 1)
            await exporter.kill()
        async with serving(tmp_path) as exporter:
            await exporter.ready()
            status, page = await exporter.get("/")
            assert (status, "<code>msg-1</code>" in page) == (200, True)
            assert await exporter.stop() == 0

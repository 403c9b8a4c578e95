"""What the status page shows, as values: it is what is stored, what a scrape shows, and nobody's phone number."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from exporter import view
from exporter.logs import without_phone
from exporter.overview import status_page
from exporter.web.status import EndedRow, Judged, Money, StatusPage, Tracking
from tests.lab import Lab, account
from tests.virtual_time import DAY, in_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.web.status import AccountRow

BY_SMS: dict[str, Any] = {
    "fallbacks": [{"type": "sms", "status": "delivered"}],
    "extendedStatuses": {"viber": "undeliverable", "sms": "delivered"},
}
UNUSED: dict[str, Any] = {"fallbacks": [{"type": "sms", "status": "not_used"}]}
TWO = [account("main", currency="USD"), account("other", currency="EUR")]


async def page(lab: Lab) -> StatusPage:
    return await status_page(lab.core, view.problems(lab.core), is_ready=True)


async def tracking(lab: Lab) -> Tracking:
    found = (await page(lab)).tracking
    assert found is not None
    return found


async def ended(lab: Lab) -> tuple[EndedRow, ...]:
    found = (await tracking(lab)).ended
    assert found is not None
    return found


async def main(lab: Lab) -> AccountRow:
    (row,) = (await tracking(lab)).accounts
    return row


async def test_before_the_core_is_loaded_the_page_says_what_is_known() -> None:
    found = await status_page(None, ["starting"], is_ready=False)
    assert (found.ready, found.problems, found.tracking) == (False, ("starting",), None)


@in_virtual_time
async def test_a_new_exporter_has_nothing_to_show_but_its_accounts() -> None:
    async with Lab(accounts=TWO, channels=["sms"]) as lab:
        await lab.settle()
        now = await tracking(lab)
    assert now.totals.accepted == now.totals.abandoned == now.totals.finished == 0
    assert set(now.totals.outcomes) == {
        *("delivered", "undeliverable", "permanenterror"),
        *("timeout", "not_found", "unobserved"),
    }
    assert (now.totals.costs, now.window.costs, now.window.channels, now.in_flight, now.ended) == ((), (), (), (), ())
    assert now.window.judged.ratio is now.window.fallback_ratio is None
    assert now.statuses == ("accepted", "scheduled", "processing", "unknown")
    assert now.by_status == (0, 0, 0, 0)
    assert [(row.name, row.up, row.pauses, row.last_success_at) for row in now.accounts] == [
        ("main", True, (), None),
        ("other", True, (), None),
    ]


@in_virtual_time
async def test_totals_are_added_up_over_all_labels() -> None:
    async with Lab(accounts=TWO, labels={"campaign": {"max_values": 5}}) as lab:
        await lab.offer("m1", "m2", channel="sms", labels={"campaign": "spring"})
        await lab.offer("m3", "m4", "m5", channel="rcs", account="other")
        lab.answer("m1", "delivered", cost="0.1")
        lab.answer("m2", "undeliverable", cost="0.2")
        lab.answer("m3", "delivered", account="other", cost="0.000000000000000000000001")
        lab.core.tracker.abandon(lab.slot("m4", "other"))
        await lab.settle()
        totals = (await tracking(lab)).totals
    assert (totals.accepted, totals.abandoned, totals.finished) == (5, 1, 3)
    assert {name: count for name, count in totals.outcomes.items() if count} == {"delivered": 2, "undeliverable": 1}
    assert totals.costs == (Money(Decimal("1E-24"), "EUR"), Money(Decimal("0.3"), "USD"))


@in_virtual_time
async def test_the_window_is_what_a_scrape_says_and_moves_on() -> None:
    async with Lab(window="1h") as lab:
        await lab.offer("m1", "m2", "m3", "m4", channel="viber_otp")
        await lab.offer("m5", channel="sms")
        lab.answer("m1", "delivered", cost="0.5", **BY_SMS)
        lab.answer("m2", "delivered", cost="0.25", **UNUSED)
        lab.answer("m3", "permanenterror")
        lab.advance(290)
        lab.answer("m4", "processing")
        lab.advance(15)  # m4 matures as pending, m5 as unknown
        await lab.settle()
        window = (await tracking(lab)).window
        assert window.judged == Judged(delivered=2, failed=1, pending=1, unknown=1)
        assert window.judged.ratio == 0.5
        assert window.fallback_ratio == 0.5
        assert window.costs == (Money(Decimal("0.75"), "USD"),)
        sms, otp = window.channels
        assert (sms.channel, sms.judged, sms.judged.ratio, sms.costs) == ("sms", Judged(unknown=1), None, ())
        assert (otp.account, otp.channel, otp.judged.known) == ("main", "viber_otp", 4)
        assert otp.judged.ratio == lab.shown("delivery_ratio", channel="viber_otp")
        assert otp.fallback_ratio == lab.shown("fallback_usage_ratio", channel="viber_otp")
        assert [float(paid.amount) for paid in otp.costs] == [lab.shown("cost_window", channel="viber_otp")]
        lab.advance(3_700)
        assert (await tracking(lab)).window.channels == ()


@in_virtual_time
async def test_messages_in_flight_are_counted_by_status_and_channel_once_that_is_stored() -> None:
    async with Lab(accounts=TWO) as lab:
        await lab.offer("m1", "m2", channel="sms")
        await lab.offer("m3", channel="rcs", account="other")
        lab.answer("m1", "scheduled")
        assert [row.by_status for row in (await tracking(lab)).in_flight] == [(2, 0, 0, 0), (1, 0, 0, 0)]
        await lab.settle()
        lab.answer("m3", "processing", account="other")
        await lab.settle()
        now = await tracking(lab)
        assert [(row.account, row.channel, row.by_status) for row in now.in_flight] == [
            ("main", "sms", (1, 1, 0, 0)),
            ("other", "rcs", (0, 0, 1, 0)),
        ]
        assert now.by_status == (1, 1, 1, 0)
        lab.answer("m3", "delivered", account="other")
        await lab.settle()
        assert [row.account for row in (await tracking(lab)).in_flight] == ["main"]


@in_virtual_time
async def test_an_account_shows_its_budget_what_is_asked_of_it_and_its_last_success() -> None:
    async with Lab(polling=[{"first": "4s"}]) as lab:
        await lab.offer("m1", "m2")
        lab.advance(5)
        lab.answer("m1", "processing")
        row = await main(lab)
        assert (row.up, row.allowed_per_second, row.polls_due) == (True, 10, 1)
        assert row.last_success_at == lab.clock.at
        assert row.asked_per_second == lab.shown("exporter_request_demand")


@pytest.mark.parametrize(("code", "why"), [(401, "unauthorized"), (403, "forbidden"), (429, "rate_limited")])
@in_virtual_time
async def test_a_paused_account_says_why_and_may_ask_nothing(code: int, why: str) -> None:
    async with Lab() as lab:
        budget, now = lab.core.desks["main"].budget, lab.clock.at
        budget.start(now)
        budget.finish(now, now, code, None)
        row = await main(lab)
        assert (row.pauses, row.allowed_per_second) == ((why,), 0)
        (line,) = (await page(lab)).problems
        assert str(code) in line


@in_virtual_time
async def test_an_account_whose_api_fails_for_a_minute_is_not_up() -> None:
    async with Lab() as lab:
        await lab.offer("m1")
        lab.answer("m1", "processing")
        lab.fail("m1")
        assert (await main(lab)).up
        lab.advance(61)
        assert not (await main(lab)).up


@in_virtual_time
async def test_a_delivered_message_shows_its_way_its_cost_and_both_bounds() -> None:
    async with Lab() as lab:
        sent_at = lab.clock.at
        await lab.offer("m1", channel="viber_otp")
        lab.advance(2.5)
        lab.answer("m1", "processing")
        lab.advance(2)
        lab.answer("m1", "delivered", took=0.5, cost="0.0150", **BY_SMS)
        await lab.settle()
        assert await ended(lab) == (
            EndedRow(
                at=sent_at + 5.0,
                account="main",
                id="m1",
                channel="viber_otp",
                outcome="delivered",
                fallback="used",
                via="sms",
                took=(2.5, 5.0),
                cost=Money(Decimal("0.0150"), "USD"),
            ),
        )


@pytest.mark.parametrize(
    ("status", "more", "via"),
    [
        ("delivered", UNUSED, None),
        ("delivered", {}, None),
        ("undeliverable", BY_SMS, None),
        ("delivered", {**BY_SMS, "extendedStatuses": {"viber": "not_used", "380671234567": "delivered"}}, "other"),
        ("delivered", {**BY_SMS, "extendedStatuses": {}}, "viber_otp"),
    ],
)
@in_virtual_time
async def test_the_way_is_shown_when_a_fallback_delivered_and_only_by_a_known_word(
    status: str, more: dict[str, Any], via: str | None
) -> None:
    async with Lab() as lab:
        await lab.offer("m1", channel="viber_otp")
        lab.answer("m1", status, **more)
        await lab.settle()
        (row,) = await ended(lab)
    assert row.via == via


@in_virtual_time
async def test_who_was_not_ended_by_smsbat_has_no_time_and_no_cost() -> None:
    async with Lab(polling=[{"timeout": "1m", "max_interval": "1m"}]) as lab:
        await lab.offer("m1", "m2")
        lab.core.tracker.abandon(lab.slot("m1"))
        await lab.settle()
        lab.advance(61)
        lab.answer("m2", "processing")
        await lab.settle()
        rows = await ended(lab)
    assert [(row.outcome, row.took, row.cost) for row in rows] == [("timeout", None, None), ("abandoned", None, None)]


@in_virtual_time
async def test_the_last_fifty_are_shown_the_latest_first_also_after_a_restart(tmp_path: Path) -> None:
    async with Lab(tmp_path / "lab") as lab:
        ids = [f"m{number}" for number in range(60)]
        await lab.offer(*ids)
        for each in ids:
            lab.advance(1)
            lab.answer(each, "delivered")
        await lab.settle()
        before = await ended(lab)
        assert [row.id for row in before] == ids[:9:-1]
        await lab.restart()
        assert await ended(lab) == before
        assert (await tracking(lab)).totals.outcomes["delivered"] == 60


@in_virtual_time
async def test_a_commit_that_hangs_takes_the_list_away_and_what_it_would_store_is_not_shown() -> None:
    async with Lab() as lab:
        await lab.offer("m1")
        lab.store.entered.clear()
        lab.store.open.clear()
        lab.answer("m1", "delivered", cost=1)
        await lab.until(lab.store.entered.is_set)
        shown = await tracking(lab)
        assert shown.ended is None
        assert (shown.totals.finished, shown.totals.costs, sum(shown.by_status)) == (0, (), 1)
        lab.store.open.set()
        await lab.settle()
        assert [row.id for row in await ended(lab)] == ["m1"]


@in_virtual_time
async def test_a_store_that_cannot_be_read_takes_the_list_away_and_nothing_else() -> None:
    async with Lab() as lab:
        await lab.offer("m1", "m2")
        lab.answer("m1", "delivered")
        await lab.settle()
        lab.store.unreadable = True
        shown = await tracking(lab)
        assert shown.ended is None
        assert (shown.totals.accepted, sum(shown.by_status)) == (2, 1)
        lab.store.unreadable = False
        assert len(await ended(lab)) == 1


async def test_a_closed_store_takes_the_list_away_too() -> None:
    lab = Lab()
    async with lab:
        pass
    assert (await tracking(lab)).ended is None


@in_virtual_time
async def test_messages_of_an_account_that_is_gone_are_still_shown() -> None:
    async with Lab(accounts=TWO) as lab:
        await lab.offer("m1", "m2", account="other")
        lab.answer("m1", "delivered", account="other")
        await lab.settle()
        lab.reload(accounts=TWO[:1])
        await lab.settle()
        now = await tracking(lab)
        assert [row.account for row in now.in_flight] == ["other"]
        assert [row.name for row in now.accounts] == ["main"]
        assert [row.account for row in now.ended or ()] == ["other"]
        assert any("parked" in line for line in (await page(lab)).problems)


@in_virtual_time
async def test_no_phone_number_key_or_label_value_is_anywhere_in_it() -> None:
    phone, key = "380671234567", "key-5f3c9a"
    own = account(auth={"method": "header", "api_key": key})
    async with Lab(accounts=[own], labels={"campaign": {"max_values": 5}}) as lab:
        await lab.offer(phone, f"sms-{phone}", channel=phone, labels={"campaign": phone})
        lab.advance(DAY / 24)
        lab.answer(
            phone, "delivered", extendedStatuses={phone: "delivered"}, fallbacks=[{"type": phone, "status": "x"}]
        )
        lab.answer(f"sms-{phone}", phone)
        await lab.settle()
        text = msgspec.json.encode(await page(lab)).decode() + str(await page(lab))
    assert phone not in text
    assert key not in text
    assert "…4567" in text


@pytest.mark.parametrize(
    ("message_id", "shown"),
    [
        ("abc123def456", "abc123def456"),
        ("m-123456", "m-123456"),
        ("380671234567", "…4567"),
        ("otp:380671234567:1", "otp:…67:1"),
        ("1234567", "…4567"),
        ("38-067-123-45-67.x", "…5-67.x"),
        ("login_0671234567_a", "login_…4567_a"),
        ("6335ab8e-9311-4511-9317-129015786065", "6335ab8e-9311-4511-9317-129015786065"),
        ("6335AB8E-9311-4511-9317-129015786065", "6335AB8E-9311-4511-9317-129015786065"),
        ("x6335ab8e-9311-4511-9317-129015786065", "x6335ab8e-…6065"),
    ],
)
def test_of_digits_that_could_be_a_phone_number_four_are_shown(message_id: str, shown: str) -> None:
    assert without_phone(message_id) == shown

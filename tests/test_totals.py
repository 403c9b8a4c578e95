"""Totals: summed up apart from what is shown, stored exactly, and kept when today's labels do not fit them."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exporter import catalogue as metrics
from exporter.store import TotalRow
from exporter.totals import Histogram, Layout, Tally, Totals

PLAIN = Layout((), False, (1.0, 10.0))  # noqa: FBT003 (a record)
SMS = ("main", "sms")
COST = (metrics.COST, (*SMS, "delivered", "USD"))
ACCEPTED = (metrics.ACCEPTED, SMS)
DELIVERY = (metrics.DELIVERY_TIME, (*SMS, "none"))
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=12)


def committed(totals: Totals, tally: Tally, now: float = 100.0) -> list[TotalRow]:
    """Do what a commit does; returns the rows that it stores."""
    sums = totals.sum_up(tally)
    rows = totals.rows(sums, now)
    totals.publish(sums, totals.layout, now)
    return rows


def delivered(*seconds: float) -> Tally:
    tally = Tally()
    for each in seconds:
        tally.observe(metrics.DELIVERY_TIME, each, *SMS, "none")
    return tally


def accepted(*values: str, by: int = 1) -> Tally:
    tally = Tally()
    tally.count(metrics.ACCEPTED, *values, by=by)
    return tally


def test_nothing_is_shown_before_it_is_published() -> None:
    totals = Totals(PLAIN, [])
    sums = totals.sum_up(accepted(*SMS))
    assert sums == {ACCEPTED: 1}
    assert totals.values == {}
    totals.publish(sums, PLAIN, 5.0)
    assert totals.values == {ACCEPTED: 1}


def test_a_series_that_comes_up_is_born_and_one_that_was_stored_is_not() -> None:
    totals = Totals(PLAIN, [])
    rows = committed(totals, accepted(*SMS), 5.0)
    assert totals.born_at == {ACCEPTED: 5.0}
    again = Totals(PLAIN, rows)
    committed(again, accepted(*SMS), 6.0)
    assert again.born_at == {}
    assert again.values == {ACCEPTED: 2}
    assert again.touched_at == {ACCEPTED: 6.0}


@given(st.lists(st.lists(AMOUNTS, max_size=5), max_size=8))
def test_money_is_exact_across_commits_and_restarts(groups: list[list[Decimal]]) -> None:
    totals, rows = Totals(PLAIN, []), list[TotalRow]()
    for group in groups:
        tally = Tally()
        for amount in group:
            tally.count(metrics.COST, *COST[1], by=amount)
        rows = committed(totals, tally) or rows
        totals = Totals(PLAIN, rows)
    exact = sum((int(amount * 10**12) for group in groups for amount in group), 0)
    total = totals.values.get(COST, 0)
    assert isinstance(total, int | Decimal)
    assert Decimal(total) * 10**12 == exact


def test_a_binary_float_would_have_shown() -> None:
    totals = Totals(PLAIN, [])
    for _ in range(3):
        tally = Tally()
        tally.count(metrics.COST, *COST[1], by=Decimal("0.1"))
        totals = Totals(PLAIN, committed(totals, tally))
    assert totals.values[COST] == Decimal("0.3")


@given(st.lists(st.lists(st.floats(0, 1e6), max_size=5), max_size=8))
def test_a_histogram_counts_each_observation_once_across_restarts(groups: list[list[float]]) -> None:
    totals, rows = Totals(PLAIN, []), list[TotalRow]()
    for group in groups:
        rows = committed(totals, delivered(*group)) or rows
        totals = Totals(PLAIN, rows)
    everything = [each for group in groups for each in group]
    if everything:
        histogram = totals.values[DELIVERY]
        assert isinstance(histogram, Histogram)
        below = [sum(each <= edge for each in everything) for edge in (1.0, 10.0)]
        assert (histogram.counts[0], sum(histogram.counts[:2]), sum(histogram.counts)) == (*below, len(everything))


def test_an_observation_on_an_edge_is_in_the_bucket_below() -> None:
    totals = Totals(PLAIN, [])
    committed(totals, delivered(1.0, 10.0, 10.5))
    assert totals.values[DELIVERY] == Histogram((1.0, 10.0), (1, 1, 1), 21.5)


def test_the_edges_of_the_lower_bound_are_nine_tenths() -> None:
    assert Layout((), False, (2.5, 5.0, 300.0)).edges(metrics.DELIVERY_TIME_LOWER) == (2.25, 4.5, 270.0)  # noqa: FBT003
    assert Layout((), False, (2.5, 5.0, 300.0)).edges(metrics.DELIVERY_TIME) == (2.5, 5.0, 300.0)  # noqa: FBT003


def test_an_expected_series_shows_0_and_becomes_known_to_the_store() -> None:
    totals, tally = Totals(PLAIN, []), Tally()
    totals.expect([ACCEPTED, DELIVERY], tally, 5.0)
    assert totals.values == {ACCEPTED: 0, DELIVERY: Histogram((1.0, 10.0), (0, 0, 0), 0.0)}
    again = Totals(PLAIN, committed(totals, tally))
    assert again.values == totals.values
    assert totals.born_at == {ACCEPTED: 5.0, DELIVERY: 5.0}


def test_an_expected_series_that_the_store_knows_keeps_its_total() -> None:
    totals, tally = Totals(PLAIN, committed(Totals(PLAIN, []), accepted(*SMS, by=7))), Tally()
    totals.expect([ACCEPTED], tally, 5.0)
    assert totals.values == {ACCEPTED: 7}
    assert (tally.counts, totals.born_at) == ({}, {})


LABELLED = Layout(("campaign",), False, (1.0, 10.0))  # noqa: FBT003
SPRING = (metrics.ACCEPTED, (*SMS, "spring"))


def test_totals_of_a_removed_label_are_kept_unshown_and_return_with_it() -> None:
    totals = Totals(LABELLED, [])
    rows = committed(totals, accepted(*SMS, "spring", by=3))
    without = Totals(PLAIN, rows)
    assert without.values == {}
    rows += committed(without, accepted(*SMS))
    assert Totals(LABELLED, rows).values == {SPRING: 3}
    assert Totals(PLAIN, rows).values == {ACCEPTED: 1}


def test_a_reload_keeps_and_returns_the_totals_of_a_label_likewise() -> None:
    totals, pending = Totals(LABELLED, []), Tally()
    committed(totals, accepted(*SMS, "spring", by=3))
    totals.relay_out(PLAIN, pending)
    assert totals.values == {}
    committed(totals, accepted(*SMS))
    totals.relay_out(LABELLED, pending)
    assert totals.values == {SPRING: 3}


def test_what_waits_for_a_commit_at_a_reload_is_counted_under_the_labels_that_stay() -> None:
    totals, pending = Totals(LABELLED, []), accepted(*SMS, "spring", by=3)
    pending.count(metrics.ACCEPTED, *SMS, "summer", by=2)
    totals.relay_out(PLAIN, pending)
    committed(totals, pending)
    assert totals.values == {ACCEPTED: 5}


def test_what_is_being_stored_at_a_reload_is_not_lost_to_its_labels() -> None:
    totals = Totals(LABELLED, [])
    committed(totals, accepted(*SMS, "spring", by=3))
    sums, layout = totals.sum_up(accepted(*SMS, "spring")), totals.layout
    totals.relay_out(PLAIN, Tally())
    totals.publish(sums, layout, 100.0)
    assert totals.values == {}
    totals.relay_out(LABELLED, Tally())
    assert totals.values == {SPRING: 4}


def test_a_histogram_whose_buckets_change_starts_again_at_0_in_a_reload_and_in_a_restart() -> None:
    totals = Totals(PLAIN, [])
    rows = committed(totals, delivered(0.5, 5.0))
    wider = Layout((), False, (1.0, 20.0))  # noqa: FBT003
    fresh = Histogram((1.0, 20.0), (0, 0, 0), 0.0)
    assert Totals(wider, rows).values == {DELIVERY: fresh}
    totals.relay_out(wider, Tally())
    assert totals.values == {DELIVERY: fresh}
    committed(totals, delivered(15.0))
    assert totals.values == {DELIVERY: Histogram((1.0, 20.0), (0, 1, 0), 15.0)}


def test_a_histogram_whose_buckets_change_and_change_back_does_not_return_what_it_had() -> None:
    rows = committed(Totals(PLAIN, []), delivered(0.5, 5.0))
    other, tally = Totals(Layout((), False, (1.0, 20.0)), rows), Tally()  # noqa: FBT003
    other.expect([], tally, 5.0)
    rows = committed(other, tally)
    assert Totals(PLAIN, rows).values == {DELIVERY: Histogram((1.0, 10.0), (0, 0, 0), 0.0)}


def test_a_histogram_being_stored_while_its_buckets_change_starts_again_at_0() -> None:
    totals = Totals(PLAIN, [])
    sums, layout = totals.sum_up(delivered(0.5)), totals.layout
    totals.relay_out(Layout((), False, (1.0, 20.0)), Tally())  # noqa: FBT003
    totals.publish(sums, layout, 100.0)
    assert totals.values == {DELIVERY: Histogram((1.0, 20.0), (0, 0, 0), 0.0)}


def test_histogram_labels_switched_off_and_on_again_return_what_they_had() -> None:
    labelled = Layout(("campaign",), True, (1.0, 10.0))  # noqa: FBT003
    totals, tally = Totals(labelled, []), Tally()
    tally.observe(metrics.DELIVERY_TIME, 0.5, *SMS, "spring", "none")
    rows = committed(totals, tally)
    off = Totals(LABELLED, rows)
    assert off.values == {}
    rows += committed(off, delivered(5.0))
    assert [values for _, values in Totals(labelled, rows).values] == [(*SMS, "spring", "none")]
    assert [values for _, values in Totals(LABELLED, rows).values] == [(*SMS, "none")]


def test_a_total_of_a_later_version_is_left_alone() -> None:
    later = TotalRow("smsbat_later_total", '{"account":"main"}', "5", 1.0)
    assert Totals(PLAIN, [later]).values == {}

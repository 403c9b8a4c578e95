from __future__ import annotations

import pytest

from exporter.message import MESSAGE_ID, Outcome, Status


def test_the_numbers_that_the_store_keeps_do_not_change() -> None:
    assert {status.name: status.value for status in Status} == {
        "ACCEPTED": 0,
        "SCHEDULED": 1,
        "PROCESSING": 2,
        "UNKNOWN": 3,
        "DELIVERED": 4,
        "UNDELIVERABLE": 5,
        "PERMANENTERROR": 6,
    }


def test_three_statuses_are_final_and_each_is_an_outcome() -> None:
    final = [status.label for status in Status if status.final]
    assert final == ["delivered", "undeliverable", "permanenterror"]
    assert {Outcome(label).value for label in final} == set(final)


@pytest.mark.parametrize("text", ["a", "-", "_", "0", "abc123def456", "a.b:c-d_e", "a" * 128])
def test_an_id_may_have_letters_digits_and_a_few_signs(text: str) -> None:
    assert MESSAGE_ID.fullmatch(text)


@pytest.mark.parametrize("text", ["", ".", "..", ":a", "a/b", "a b", "a\n", "a%2e", "é", "a?b", "a#b", "a" * 129])
def test_what_would_not_stay_one_part_of_a_url_is_no_id(text: str) -> None:
    assert not MESSAGE_ID.fullmatch(text)

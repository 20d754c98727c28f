"""The band and the regularity test, against sums anyone can check and against splits that are not chance."""

from itertools import cycle, islice

import pytest

from meshsim.kit.chance import draws
from meshsim.kit.errors import UsageError
from meshsim.kit.split import Band, band, regularity


def test_ten_coin_tosses_at_95_percent_are_two_to_eight() -> None:
    # P(X ≤ 1) = 11/1024 = 1.07 %, P(X ≤ 2) = 56/1024 = 5.5 %: only 0 and 1 fit into a tail of 2.5 %.
    assert band(10, 0.5, 0.95) == Band(2, 8)


def test_the_published_critical_values_of_the_sign_test_are_met() -> None:
    # Two-sided sign test, n = 25: reject at 5 % when the rarer sign comes 7 times or fewer, at 1 % when 5 or fewer.
    assert band(25, 0.5, 0.95).low == 8
    assert band(25, 0.5, 0.99).low == 6


@pytest.mark.parametrize(("share", "only"), [(0.0, 0), (1.0, 500)])
def test_a_share_that_is_not_drawn_leaves_one_count(share: float, only: int) -> None:
    assert band(500, share) == Band(only, only)


def test_no_requests_leave_one_count() -> None:
    assert band(0, 0.34) == Band(0, 0)


@pytest.mark.parametrize(("requests", "share", "confidence"), [(-1, 0.5, 0.99), (10, 1.1, 0.99), (10, 0.5, 1.0)])
def test_numbers_that_are_no_split_are_refused(requests: int, share: float, confidence: float) -> None:
    with pytest.raises(UsageError, match="no band"):
        band(requests, share, confidence)


def test_a_million_requests_take_no_time_and_keep_their_precision() -> None:
    # σ = √(10⁶ · 0.34 · 0.66) = 473.7; 2.5758 σ = 1220.
    found = band(1_000_000, 0.34, 0.99)
    assert found.low == pytest.approx(340_000 - 1220, abs=2)
    assert found.high == pytest.approx(340_000 + 1220, abs=2)


def test_a_band_contains_its_ends() -> None:
    assert [count in Band(2, 4) for count in range(1, 6)] == [False, True, True, True, False]


def test_independent_draws_look_like_chance() -> None:
    draw = draws(7)
    found = regularity([draw() < 0.34 for _ in range(1200)], 0.34)
    assert found is not None
    assert found.is_chance


def test_a_weighted_round_robin_is_more_regular_than_chance() -> None:
    found = regularity(list(islice(cycle([False, True, False]), 1200)), 1 / 3)
    assert found is not None
    assert found.dispersion < found.low


def test_a_split_that_comes_in_lumps_is_less_regular_than_chance() -> None:
    found = regularity(([True] * 34 + [False] * 66) * 12, 0.34)
    assert found is not None
    assert found.dispersion > found.high


@pytest.mark.parametrize(("hits", "share"), [([True, False] * 40, 0.5), ([False] * 1000, 0.0), ([True] * 1000, 1.0)])
def test_too_few_requests_or_no_draw_tell_nothing(hits: list[bool], share: float) -> None:
    assert regularity(hits, share) is None


def test_the_limits_of_regularity_are_the_tables_of_chi_square() -> None:
    # χ² with 60 degrees: 0.05 % point 30.34, 99.95 % point 102.69 (÷ 60).
    found = regularity([False] * 60 * 23, 0.34, confidence=0.999)
    assert found is not None
    assert found.windows == 60
    assert found.low * 60 == pytest.approx(30.34, rel=0.01)
    assert found.high * 60 == pytest.approx(102.69, rel=0.01)

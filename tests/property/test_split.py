"""The band is the exact acceptance region: held to sums of exact fractions."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.check import p_value
from meshsim.kit.chance import draws
from meshsim.kit.split import band, regularity

pytestmark = pytest.mark.property

_REQUESTS = st.integers(1, 120)
_PERCENT = st.integers(1, 99)
_CONFIDENCE = st.sampled_from((0.9, 0.99, 0.999))


def _tail(requests: int, share: Fraction, counts: range) -> Fraction:
    return sum(
        (math.comb(requests, count) * share**count * (1 - share) ** (requests - count) for count in counts),
        Fraction(0),
    )


@given(_REQUESTS, _PERCENT, _CONFIDENCE)
def test_each_tail_outside_the_band_holds_at_most_half_the_rest_and_one_more_count_would_not(
    requests: int, percent: int, confidence: float
) -> None:
    share = Fraction(percent, 100)
    found = band(requests, percent / 100, confidence)
    half = (1 - Fraction(confidence)) / 2
    # Only a tie in the fifteenth digit could go either way.
    slack = Fraction(1, 10**12)
    assert _tail(requests, share, range(found.low)) <= half + slack
    assert _tail(requests, share, range(found.low + 1)) > half - slack
    assert _tail(requests, share, range(found.high + 1, requests + 1)) <= half + slack
    assert _tail(requests, share, range(found.high, requests + 1)) > half - slack


@given(_REQUESTS, _PERCENT, _CONFIDENCE)
def test_the_other_version_has_the_mirrored_band(requests: int, percent: int, confidence: float) -> None:
    ours, others = band(requests, percent / 100, confidence), band(requests, (100 - percent) / 100, confidence)
    assert (ours.low, ours.high) == (requests - others.high, requests - others.low)


@given(st.integers(1, 3000), _PERCENT, _CONFIDENCE, st.data())
def test_the_load_tests_own_p_value_agrees_with_the_band(
    requests: int, percent: int, confidence: float, data: st.DataObject
) -> None:
    count = data.draw(st.integers(0, requests))
    value = p_value(count, requests, percent / 100)
    if not math.isclose(value, 1 - confidence, rel_tol=1e-9):
        assert (value > 1 - confidence) == (count in band(requests, percent / 100, confidence))


@given(st.integers(0, 2**32), st.integers(10, 90))
def test_independent_draws_are_never_far_from_chance(seed: int, percent: int) -> None:
    draw = draws(seed)
    found = regularity([draw() < percent / 100 for _ in range(4000)], percent / 100, confidence=1 - 1e-9)
    assert found is not None
    assert found.is_chance

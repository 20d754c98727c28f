"""The open loop's schedule."""

import itertools
import math
from statistics import fmean, pstdev

import pytest

from meshsim.kit.chance import draws
from meshsim.load.arrivals import Arrivals, arrivals


def test_uniform_arrivals_are_evenly_spaced_from_the_start() -> None:
    assert list(arrivals(Arrivals.UNIFORM, 4, 1.0, draws(1))) == [0.0, 0.25, 0.5, 0.75]


def test_poisson_gaps_are_exponential() -> None:
    at = list(arrivals(Arrivals.POISSON, 200, 100.0, draws(1)))
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert len(at) == pytest.approx(20_000, abs=4 * math.sqrt(20_000))
    assert fmean(gaps) == pytest.approx(1 / 200, rel=0.03)
    # An exponential distribution's deviation is its mean.
    assert pstdev(gaps) == pytest.approx(1 / 200, rel=0.05)


@pytest.mark.parametrize("spread", list(Arrivals))
def test_arrivals_rise_and_end_before_the_duration(spread: Arrivals) -> None:
    at = list(arrivals(spread, 50, 3.0, draws(3)))
    assert at == sorted(at)
    assert at[0] >= 0
    assert at[-1] < 3.0


def test_a_seed_repeats_the_schedule() -> None:
    first, again, other = (list(arrivals(Arrivals.POISSON, 50, 2.0, draws(seed))) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_a_duration_of_nothing_has_no_arrivals() -> None:
    assert list(arrivals(Arrivals.UNIFORM, 50, 0.0, draws(1))) == []

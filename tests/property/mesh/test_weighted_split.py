"""The split is binomial as Envoy's is: neither too far from the weights nor more regular than chance."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshsim.kit.chance import draws
from meshsim.kit.split import band
from meshsim.mesh.weights import Weighted

pytestmark = pytest.mark.property

_REQUESTS = 400
_RUNS = 200


@given(st.lists(st.integers(0, 50), min_size=2, max_size=5).filter(any), st.floats(0, 1, exclude_max=True))
def test_a_draw_picks_the_choice_in_whose_interval_it_falls(weights: list[int], draw: float) -> None:
    picked = Weighted(list(enumerate(weights))).pick(lambda: draw)
    at = int(draw * sum(weights))
    assert sum(weights[:picked]) <= at < sum(weights[: picked + 1])


@given(st.integers(0, 2**32), st.lists(st.integers(0, 100), min_size=2, max_size=4).filter(any))
def test_a_seed_repeats_the_split(seed: int, weights: list[int]) -> None:
    first, second = (
        [weighted.pick(draw) for _ in range(50)]
        for weighted, draw in ((Weighted(list(enumerate(weights))), draws(seed, "split")) for _ in range(2))
    )
    assert first == second


@pytest.mark.parametrize("percent", [1, 20, 34, 50, 90])
def test_over_many_runs_the_split_is_neither_too_far_from_the_weights_nor_too_regular(percent: int) -> None:
    weighted = Weighted([("canary", percent), ("stable", 100 - percent)])
    draw = draws(20261124, f"split/{percent}")
    counts = [Counter(weighted.pick(draw) for _ in range(_REQUESTS))["canary"] for _ in range(_RUNS)]
    far = band(_REQUESTS, percent / 100, 0.99)
    assert sum(count not in far for count in counts) <= 9
    share = percent / 100
    variance = sum((count - _REQUESTS * share) ** 2 for count in counts) / _RUNS
    # Over 200 runs the variance lies within a third of the binomial one, both ways, but for one time in a thousand.
    assert 0.67 <= variance / (_REQUESTS * share * (1 - share)) <= 1.38

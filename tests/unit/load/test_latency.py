"""Quantiles of a histogram, against the exact ones."""

import pytest

from meshsim.kit.chance import draws
from meshsim.load.latency import Latencies


def _of(*seconds: float) -> Latencies:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    return latencies


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99, 1.0])
def test_a_quantile_is_within_one_percent(share: float) -> None:
    draw = draws(1)
    values = sorted(0.0002 + draw() ** 8 for _ in range(5000))
    exact = values[max(0, round(share * len(values)) - 1)]
    assert _of(*values).quantile(share) == pytest.approx(exact, rel=0.0101)


def test_one_slow_request_in_a_hundred_is_not_the_p99_but_the_slowest_is_seen() -> None:
    latencies = _of(*[0.001] * 99, 1.0)
    assert latencies.quantile(0.99) == pytest.approx(0.001, rel=0.01)
    assert latencies.quantile(1.0) == pytest.approx(1.0, rel=0.01)


def test_without_requests_there_is_no_quantile() -> None:
    assert Latencies().quantile(0.5) is None


def test_nothing_is_faster_than_ten_microseconds() -> None:
    assert _of(0.0, 1e-9).quantile(0.5) == 1e-5


def test_merged_histograms_count_what_both_counted() -> None:
    merged = _of(0.001, 0.001)
    merged.merge(_of(0.5, 0.5))
    assert merged.total == 4
    assert merged.quantile(0.5) == pytest.approx(0.001, rel=0.01)
    assert merged.quantile(0.75) == pytest.approx(0.5, rel=0.01)

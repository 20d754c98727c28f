"""Requests counted for the live view."""

import pytest

from meshsim.cli.live.traffic import Traffic
from meshsim.load.samples import Sample


def _steady(version: str, rps: int, began: float, ended: float, latency_s: float = 0.002) -> list[Sample]:
    return [Sample(began + index / rps, latency_s, 200, version) for index in range(round((ended - began) * rps))]


def test_the_last_seconds_have_a_rate_and_quantiles_by_version() -> None:
    traffic = Traffic()
    traffic.add(_steady("v1", 100, 1000.0, 1010.0) + _steady("v2", 50, 1005.0, 1010.0, 0.05))
    recent = traffic.recent(1010.0)
    assert recent["v1"].rps == pytest.approx(100, rel=0.01)
    assert recent["v2"].rps == pytest.approx(50, rel=0.01)
    assert recent["v2"].p99_s == pytest.approx(0.05, rel=0.02)


def test_a_version_that_answers_no_more_is_not_recent() -> None:
    traffic = Traffic()
    traffic.add(_steady("v1", 100, 1000.0, 1001.0) + _steady("v2", 100, 1001.0, 1010.0))
    assert set(traffic.recent(1010.0)) == {"v2"}


def test_the_first_moments_are_not_counted_as_a_whole_window() -> None:
    traffic = Traffic()
    traffic.add(_steady("v1", 100, 1000.0, 1001.0))
    assert traffic.recent(1001.0)["v1"].rps == pytest.approx(100, rel=0.02)


def test_without_requests_there_is_nothing() -> None:
    assert Traffic().recent(1000.0) == {}
    assert Traffic().slices(1000.0, 10) == ()


def test_slices_are_whole_half_seconds_from_the_first_request_on() -> None:
    traffic = Traffic()
    traffic.add(_steady("v1", 100, 1000.0, 1001.2))
    slices = traffic.slices(1001.2, 10)
    assert [one.by_version["v1"] for one in slices] == [50, 50]


def test_only_as_many_slices_as_asked_for_the_newest_last() -> None:
    traffic = Traffic()
    traffic.add(_steady("v1", 10, 1000.0, 1005.0) + _steady("v2", 10, 1005.0, 1006.0))
    slices = traffic.slices(1006.0, 3)
    assert [sorted(one.by_version) for one in slices] == [["v1"], ["v2"], ["v2"]]


def test_failures_and_marks_stand_in_their_slice() -> None:
    traffic = Traffic()
    traffic.add([Sample(1000.1, 0.1, 200, "v1"), Sample(1000.6, 0.1, 503, "v1"), Sample(1001.1, 0.1, 200, "v1")])
    traffic.mark(1000.7, "34%")
    assert [(one.failed, one.mark) for one in traffic.slices(1001.6, 10)] == [(0, ""), (1, "34%"), (0, "")]
    assert traffic.failed == 1
    assert traffic.failed_by_version == {"v1": 1}

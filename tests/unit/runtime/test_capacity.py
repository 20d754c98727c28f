"""Unit tests of queueing, with time as a number."""

import pytest

from meshsim.runtime.simulated.capacity import Limits, Quota, Station


def delays(station: Station, arrivals: list[float], service_s: float) -> list[float | None]:
    return [None if (d := station.admit(now, service_s)) is None else round(d, 6) for now in arrivals]


def test_work_within_a_tenth_of_a_seconds_worth_of_the_limit_does_not_wait() -> None:
    quota = Quota(0.5)
    assert [quota.wait_s(100.0, 0.01) for _ in range(5)] == [0.0] * 5
    assert quota.wait_s(100.0, 0.01) == pytest.approx(0.02)
    assert quota.wait_s(100.0, 0.01) == pytest.approx(0.04)
    assert quota.wait_s(101.0, 0.05) == 0.0


@pytest.mark.parametrize("cores", [0.1, 0.5, 2.0])
def test_on_average_no_more_is_used_than_the_limit(cores: float) -> None:
    quota, now, used_s = Quota(cores), 0.0, 0.0
    while now < 100.0:
        used_s += 0.03
        now += 0.01 + quota.wait_s(now, 0.03)
    assert used_s / now == pytest.approx(cores, rel=0.02)


def test_without_limits_nobody_waits() -> None:
    assert delays(Station(Limits()), [0, 0, 0], 0.5) == [0.5, 0.5, 0.5]


def test_one_place_serves_one_after_the_other() -> None:
    assert delays(Station(Limits(concurrency=1)), [0, 0, 0.1, 5], 1) == [1, 2, 2.9, 1]


def test_two_places_serve_two_at_a_time() -> None:
    assert delays(Station(Limits(concurrency=2)), [0, 0, 0, 0, 1.5], 1) == [1, 1, 2, 2, 1.5]


def test_a_rate_spaces_the_starts() -> None:
    assert delays(Station(Limits(per_s=10)), [0, 0, 0, 1], 0) == [0, 0.1, 0.2, 0]


def test_a_queue_that_is_full_refuses_and_has_room_again_once_somebody_is_served() -> None:
    station = Station(Limits(concurrency=1, queue=2))
    assert delays(station, [0, 0, 0, 0, 0.5], 1) == [1, 2, 3, None, None]
    assert delays(station, [1.0, 1.0], 1) == [3, None]


@pytest.mark.parametrize("load", [0.5, 0.9])
def test_a_place_that_is_not_overloaded_always_catches_up(load: float) -> None:
    station = Station(Limits(concurrency=1))
    waits = [station.admit(number * 1.0, load) for number in range(100)]
    assert waits == [pytest.approx(load)] * 100


def test_a_place_that_is_overloaded_falls_behind_for_ever() -> None:
    station = Station(Limits(per_s=10))
    waits = [station.admit(number * 0.05, 0) or 0.0 for number in range(100)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(99 * 0.05)

"""How many users a shape has when."""

import pytest

from loadtest.shapes import SHAPES, Shape, ramp, spike, users_at


def test_a_ramp_rises_evenly() -> None:
    assert [users_at(ramp, second, 10, 20) for second in (0, 5, 9)] == [1, 10, 18]


def test_a_spike_is_everybody_in_the_middle_and_a_fifth_of_them_around_it() -> None:
    assert [users_at(spike, second, 10, 20) for second in (0, 3, 4, 5, 6, 9)] == [4, 4, 20, 20, 4, 4]


@pytest.mark.parametrize("shape", SHAPES.values())
def test_there_is_always_somebody_and_never_more_than_the_peak(shape: Shape) -> None:
    users = [users_at(shape, tenth / 10, 60, 50) for tenth in range(600)]
    assert all(count is not None and 1 <= count <= 50 for count in users)


@pytest.mark.parametrize("shape", SHAPES.values())
def test_a_run_ends(shape: Shape) -> None:
    assert users_at(shape, 60.0, 60, 50) is None

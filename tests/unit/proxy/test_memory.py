"""When memory is given back to the system."""

import pytest

from meshsim.proxy.memory import Trimmer, system_trim


@pytest.mark.parametrize(
    ("connections", "trims"),
    [
        ((0, 10, 0, 10, 0), 0),
        ((200, 150, 101), 0),
        ((200, 100), 1),
        ((200, 0, 0, 0), 1),
        ((9800, 4000, 3000, 1000), 2),
    ],
)
def test_it_is_trimmed_once_half_of_many_connections_are_gone(connections: tuple[int, ...], trims: int) -> None:
    trimmed: list[None] = []
    trimmer = Trimmer(lambda: trimmed.append(None))
    for count in connections:
        trimmer.look(count)
    assert len(trimmed) == trims


def test_the_systems_own_way_can_be_called_anywhere() -> None:
    system_trim()()

"""What is built to stay, and the garbage collector."""

import gc

from meshsim.kit.heap import building_to_stay


def test_the_collector_rests_while_something_is_built_and_leaves_it_alone_afterwards() -> None:
    try:
        with building_to_stay():
            rests = not gc.isenabled()
            built: list[list[int]] = [[] for _ in range(3)]

        assert rests
        assert gc.isenabled()
        assert not any(each is known for each in built for known in gc.get_objects())
    finally:
        gc.unfreeze()

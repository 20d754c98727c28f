"""When requests begin. An open loop: nothing that the other side does moves an arrival."""

import math
from collections.abc import Iterator
from enum import StrEnum

from meshsim.kit.chance import Draw


class Arrivals(StrEnum):
    """How arrivals are spread at a given mean rate."""

    POISSON = "poisson"
    """As from many independent users: the gaps are exponential."""
    UNIFORM = "uniform"
    """One every 1/rate seconds."""


def arrivals(spread: Arrivals, rps: float, duration_s: float, draw: Draw) -> Iterator[float]:
    """The seconds after the start at which requests begin, rising, all before `duration_s`.

    `rps` is above zero. The mean rate is `rps` for both spreads.
    """
    if spread is Arrivals.UNIFORM:
        for index in range(math.ceil(duration_s * rps)):
            yield index / rps
        return
    at = -math.log(1 - draw()) / rps
    while at < duration_s:
        yield at
        at -= math.log(1 - draw()) / rps

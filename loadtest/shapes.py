"""How the number of users changes over a run (`--shape`). Pure: locust's part is in the locustfile."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

Shape = Callable[[float], float]
"""The part of the run that has passed (0 to 1) → the part of the users that are there (0 to 1)."""


def ramp(passed: float) -> float:
    """Evenly up to all of them."""
    return passed


def spike(passed: float) -> float:
    """A fifth of them, and all of them for the middle fifth of the run."""
    return 1.0 if 0.4 <= passed < 0.6 else 0.2


def double_wave(passed: float) -> float:
    """Two peaks, as a day has before and after noon; never under a tenth."""
    return 0.1 + 0.9 * math.sin(2 * math.pi * passed) ** 2


SHAPES: Final[Mapping[str, Shape]] = MappingProxyType({"ramp": ramp, "spike": spike, "double-wave": double_wave})


def users_at(shape: Shape, elapsed_s: float, duration_s: float, peak: int) -> int | None:
    """How many users there are after that time, at least one; None when the run is over."""
    if elapsed_s >= duration_s:
        return None
    return max(1, round(peak * shape(elapsed_s / duration_s)))

"""Chance as an argument: whatever draws takes a `Draw`, so that a seed repeats a run."""

import random
from collections.abc import Callable

Draw = Callable[[], float]
"""Returns a number in [0, 1), uniform and independent of the ones before."""


def draws(seed: int | None = None, stream: str = "") -> Draw:
    """A source of draws; with a seed the sequence repeats, and each named stream has its own.

    Without a seed it comes from the operating system's entropy at start-up.
    """
    return (random.Random() if seed is None else random.Random(f"{seed}/{stream}")).random

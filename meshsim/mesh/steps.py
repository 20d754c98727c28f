"""Long work in short steps: a pure function that whoever runs it may interrupt."""

from collections.abc import Generator
from typing import Final, TypeVar

R = TypeVar("R")

Steps = Generator[None, None, R]
"""Yields after each step and returns the result."""

STRIDE: Final = 64
"""How many quick pieces of work, of a few microseconds each, make a step."""


def finished(steps: Steps[R]) -> R:
    """The result, in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result

"""Long work in short steps: a pure function that whoever runs it may interrupt."""

from collections.abc import Generator, Iterable
from typing import TypeVar

R = TypeVar("R")

Steps = Generator[None, None, R]
"""Yields after each step and returns the result."""


def in_steps(items: Iterable[R]) -> Steps[list[R]]:
    """The items as a list, one a step."""
    listed: list[R] = []
    for item in items:
        listed.append(item)
        yield
    return listed


def finished(steps: Steps[R]) -> R:
    """The result, in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: R = end.value
            return result

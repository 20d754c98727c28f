"""What the compilation before made: taken again where nothing that it was made of has changed."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

R = TypeVar("R")


class Kept:
    """Results of pure functions, by the identity of the frozen objects that they were made of.

    It saves time and changes nothing. What a compilation doesn't ask for is forgotten with it.
    """

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._before: dict[Hashable, tuple[tuple[object, ...], Any]] = {}
        self._now: dict[Hashable, tuple[tuple[object, ...], Any]] = {}

    def begin(self) -> None:
        """A compilation begins."""
        self._before, self._now = self._now, {}

    def of(self, what: Hashable, parts: tuple[object, ...], make: Callable[[], R]) -> R:
        """The result for these parts. `what` tells results of the same parts from one another."""
        key = (what, *map(id, parts))
        entry = self._now.get(key) or self._before.get(key)
        if entry is None:
            # The parts stay with it: as long as it is here, their identities are nobody else's.
            entry = (parts, make())
        self._now[key] = entry
        result: R = entry[1]
        return result

"""What the compilation before made: taken again where nothing that it was made of has changed."""

from collections.abc import Callable, Hashable, Iterable
from operator import is_
from typing import Any, Generic, TypeVar

from meshsim.mesh.steps import STRIDE, Steps

R = TypeVar("R")
T = TypeVar("T")

_Entry = tuple[object, Any]


class Kept:
    """Results of pure functions, by the identity of the frozen objects that they were made of.

    It saves time and changes nothing. What a compilation doesn't ask for is forgotten with it.
    """

    __slots__ = ("_before", "_now", "_work")

    def __init__(self) -> None:
        self._before: dict[Hashable, Any] = {}
        self._now: dict[Hashable, Any] = {}
        self._work = 0

    def begin(self) -> None:
        """A compilation begins."""
        self._before, self._now = self._now, {}

    def of(self, what: Hashable, parts: tuple[object, ...], make: Callable[[], R]) -> R:
        """The result for these parts. `what` tells results of the same parts from one another."""
        key = (what, *map(id, parts))
        entry = self._before.get(key) or self._now.get(key)
        if entry is None:
            # The parts stay with it: as long as it is here, their identities are nobody else's.
            entry = (parts, make())
            self._work += STRIDE
        self._work += 1
        self._now[key] = entry
        result: R = entry[1]
        return result

    def is_step(self) -> bool:
        """Whether enough was done since the last time: a result that was made, or many that were taken again."""
        if self._work < STRIDE:
            return False
        self._work = 0
        return True

    def each(self, what: str, make: Callable[[T], R], items: Iterable[T]) -> Steps[list[R]]:
        """The results for each of these, in a row of their own named `what`."""
        before: dict[int, _Entry] = self._before.get(what, {})
        now: dict[int, _Entry] = {}
        results: list[R] = []
        for item in items:
            entry = before.get(id(item))
            if entry is None:
                entry = (item, make(item))
                yield
            now[id(item)] = entry
            results.append(entry[1])
        self._now[what] = now
        yield
        return results

    def as_before(self, what: Hashable, result: R) -> R:
        """This, or what the compilation before had under that name when it is equal: then it is the same object."""
        before = self._before.get(what)
        if before is not None and before == result:
            result = before
        self._now[what] = result
        return result


class Stage(Generic[R]):
    """A part of a compilation, which is done again only when something that it is made of is another."""

    __slots__ = ("_kept", "_parts", "_result")

    def __init__(self) -> None:
        self._kept = Kept()
        self._parts: tuple[object, ...] | None = None
        self._result: R | None = None

    def of(self, parts: tuple[object, ...], make: Callable[[Kept], Steps[R]]) -> Steps[R]:
        """The result for these parts, compared by identity; `make` finds there what it kept when it last ran."""
        before = self._parts
        if self._result is None or before is None or len(before) != len(parts) or not all(map(is_, before, parts)):
            self._kept.begin()
            self._parts = None
            self._result = yield from make(self._kept)
            self._parts = parts
        return self._result

"""The weighted choice: stateless, one draw a request, so that the split is binomial as Envoy's is."""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Generic, TypeVar

from meshsim.kit.chance import Draw

T = TypeVar("T")


class Weighted(Generic[T]):
    """Choices with whole weights, which need not sum to anything in particular."""

    __slots__ = ("_bounds", "_choices", "_total", "_weights")

    def __init__(self, weighted: list[tuple[T, int]]) -> None:
        """Choices of weight 0 are left out; there is at least one other."""
        alive = [(choice, weight) for choice, weight in weighted if weight > 0]
        self._choices = tuple(choice for choice, _ in alive)
        self._weights = tuple(weight for _, weight in alive)
        # Whole numbers as floats: a draw is compared as it is.
        self._bounds = tuple(map(float, accumulate(self._weights)))
        self._total = self._bounds[-1]

    def __iter__(self) -> Iterator[tuple[T, int]]:
        return iter(zip(self._choices, self._weights, strict=True))

    def pick(self, draw: Draw) -> T:
        """The choice in whose interval the draw falls, in listed order."""
        return self._choices[bisect_right(self._bounds, draw() * self._total)]

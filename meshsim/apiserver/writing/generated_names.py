"""What completes a generateName: five letters, which a seed repeats."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from meshsim.api.kinds import Kind
from meshsim.api.meta import Key
from meshsim.kit.chance import Draw, draws

_LETTERS: Final = "bcdfghjklmnpqrstvwxz2456789"
_LENGTH: Final = 5
_TRIES: Final = 1000


class NameEndings:
    """The ends of generated names.

    With a seed the n-th name that is made from a base is the same in every run, whatever else is created meanwhile:
    what controllers and nodes do at once comes in no order.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._draw = draws()
        self._made: Counter[tuple[Kind, str, str]] = Counter()

    def ending(self, kind: Kind, namespace: str, base: str, is_taken: Callable[[Key], bool]) -> str:
        """An ending that makes a name of the base that nobody has; only if none can be found, one that is taken."""
        ending = _letters(self._next(kind, namespace, base))
        for _ in range(_TRIES):
            if not is_taken(Key(namespace, base + ending)):
                break
            ending = _letters(self._next(kind, namespace, base))
        return ending

    def _next(self, kind: Kind, namespace: str, base: str) -> Draw:
        if self._seed is None:
            return self._draw
        source = (kind, namespace, base)
        self._made[source] += 1
        return draws(self._seed, f"{kind.resource} {namespace}/{base}{self._made[source]}")


def _letters(draw: Draw) -> str:
    return "".join(_LETTERS[int(draw() * len(_LETTERS))] for _ in range(_LENGTH))

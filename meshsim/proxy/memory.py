"""Giving memory back: what many connections held at once returns to the system when they have left."""

import ctypes
from collections.abc import Callable
from typing import Final

_MANY: Final = 32
"""Fewer connections hold too little to look for."""


class Trimmer:
    """Trims the heap when half of the connections are gone that there were."""

    __slots__ = ("_most", "_trim")

    def __init__(self, trim: Callable[[], object]) -> None:
        self._trim = trim
        self._most = 0

    def look(self, connections: int) -> None:
        """So many there are now."""
        self._most = max(self._most, connections)
        if self._most >= _MANY and connections <= self._most // 2:
            self._most = connections
            self._trim()


def system_trim() -> Callable[[], object]:
    """The C library's way of returning free pages from the middle of the heap; nothing where it has none."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda: None
    return lambda: trim(0)

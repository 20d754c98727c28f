"""A message head that comes in parts."""

import re
from typing import Final

from meshsim.http1.grammar import BLANK_LINE, FIELD

_NEWLINE: Final = b"\n"


class PartialHead:
    """Holds the beginning of a head until it is decided whether it becomes one.

    Complete lines are judged as they come, each once: what can't become a head any more is decided before its end,
    so nobody waits for the rest of it.
    """

    __slots__ = ("_at", "_data", "_first_line", "_max_bytes", "is_too_long")

    def __init__(self, first_line: re.Pattern[bytes], max_bytes: int) -> None:
        self._first_line = first_line
        self._max_bytes = max_bytes
        self._data = bytearray()
        self._at = 0  # where the first line begins that isn't judged yet
        self.is_too_long = False
        """What was decided: so far nothing is wrong with it but its length."""

    def add(self, data: bytes) -> bytes | None:
        """More of it; everything so far once it is decided: the head is whole, too long, or none."""
        self._data += data
        return bytes(self._data) if self._is_decided() else None

    def _is_decided(self) -> bool:
        while (end := self._data.find(_NEWLINE, self._at) + 1) > 0:
            line = FIELD if self._at else self._first_line
            if line.fullmatch(self._data, self._at, end) is None:
                # The blank line that ends a head, or a wrong one.
                self.is_too_long = self._at + len(BLANK_LINE) > self._max_bytes
                return True
            self._at = end
        self.is_too_long = len(self._data) > self._max_bytes
        return self.is_too_long


def without_blank_lines(data: bytes) -> bytes:
    """What follows the blank lines that a peer may send before a head."""
    at = 0
    while data.startswith(BLANK_LINE, at):
        at += len(BLANK_LINE)
    return data[at:]

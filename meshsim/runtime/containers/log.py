"""What a container printed: the last of it, in memory, however much it prints."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from meshsim.kit.clock import Clock

_MAX_BYTES: Final = 1024 * 1024
_MAX_LINE_BYTES: Final = 16 * 1024


class Line(NamedTuple):
    """One line, without its end, and when it came: an instant of the clock."""

    at: float
    text: bytes


class ContainerLog:
    """The last megabyte of one run's output. Lines longer than 16 KiB are cut into several."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._first = 0
        self._partial = b""
        self._closed = False
        self._more = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Take in what the container printed."""
        *whole, self._partial = (self._partial + data).split(b"\n")
        for text in whole:
            self._append(text)
        while len(self._partial) >= _MAX_LINE_BYTES:
            self._append(self._partial[:_MAX_LINE_BYTES])
            self._partial = self._partial[_MAX_LINE_BYTES:]
        self._tell()

    def close(self) -> None:
        """The container has ended: nothing more will come."""
        if self._partial:
            self._append(self._partial)
            self._partial = b""
        self._closed = True
        self._tell()

    async def closed(self) -> None:
        """Wait until nothing more will come."""
        while not self._closed:
            await self._more.wait()

    def lines(self, last: int | None = None) -> list[Line]:
        """The lines there are, or the last so many."""
        lines = list(self._lines)
        return lines if last is None else lines[max(len(lines) - last, 0) :]

    async def follow(self, last: int | None = None, *, waits: bool = True) -> AsyncIterator[Line]:
        """These lines, and then, if it `waits`, each that comes until the container has ended."""
        at = self._first + len(self._lines) - len(self.lines(last))
        while True:
            # Whoever is too slow misses what had to make room.
            at = max(at, self._first)
            while at - self._first < len(self._lines):
                yield self._lines[at - self._first]
                at = max(at + 1, self._first)
            if self._closed or not waits:
                return
            await self._more.wait()

    def _append(self, text: bytes) -> None:
        self._lines.append(Line(self._clock.now(), text))
        self._bytes += len(text)
        while self._bytes > _MAX_BYTES:
            self._bytes -= len(self._lines.popleft().text)
            self._first += 1

    def _tell(self) -> None:
        self._more.set()
        self._more = asyncio.Event()

"""Long work between the turns of the loop: requests come in between."""

import asyncio
from collections import deque
from typing import Final

from meshsim.mesh.steps import Steps, finished

_SLICE_S: Final = 0.001


class Slices:
    """Work that is done a millisecond at a time, all that waits in rotation."""

    __slots__ = ("_handle", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Steps[None]] = deque()
        self._handle: asyncio.Handle | None = None

    def start(self, steps: Steps[None]) -> None:
        """Begin with the next turn of the loop. Closing the generator ends it."""
        self._waiting.append(steps)
        self._go_on()

    def finish(self) -> None:
        """Do everything that waits, now."""
        while self._waiting:
            finished(self._waiting.popleft())

    def close(self) -> None:
        """Leave everything undone."""
        self._waiting.clear()

    def _go_on(self) -> None:
        if self._waiting and self._handle is None:
            self._handle = self._loop.call_soon(self._slice)

    def _slice(self) -> None:
        self._handle = None
        if not self._waiting:
            return
        steps = self._waiting.popleft()
        until = self._loop.time() + _SLICE_S
        try:
            while self._loop.time() < until:
                next(steps)
            self._waiting.append(steps)
        except StopIteration:
            pass
        finally:
            self._go_on()

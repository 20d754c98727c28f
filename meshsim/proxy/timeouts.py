"""Timeouts by the thousand: one timer for each duration instead of one for each wait."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

W = TypeVar("W")


class TimeoutQueue(Generic[W]):
    """Things that wait equally long. Since they do, the first to start is the first to expire."""

    __slots__ = ("_deadlines", "_duration_s", "_expired", "_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, duration_s: float, expired: Callable[[W], None]) -> None:
        self._loop = loop
        self._duration_s = duration_s
        self._expired = expired
        self._deadlines: dict[W, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._deadlines)

    def has(self, waiting: W) -> bool:
        """Whether it waits."""
        return waiting in self._deadlines

    def start(self, waiting: W, now: float) -> None:
        """`expired` is called with it unless it is stopped before."""
        self._deadlines[waiting] = deadline = now + self._duration_s
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._fire)

    def stop(self, waiting: object) -> None:
        """Nothing happens any more, also when it wasn't waiting."""
        self._deadlines.pop(waiting, None)  # type: ignore[arg-type] # any object may ask

    def _fire(self) -> None:
        now = self._loop.time()
        self._timer = None
        due = []
        for waiting, deadline in self._deadlines.items():
            if deadline > now + 0.001:
                break
            due.append(waiting)
        for waiting in due:
            if self._deadlines.pop(waiting, None) is not None:
                self._expired(waiting)
        if self._deadlines and self._timer is None:
            self._timer = self._loop.call_at(next(iter(self._deadlines.values())), self._fire)

    def close(self) -> None:
        """Forget everything that waits."""
        self._deadlines.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

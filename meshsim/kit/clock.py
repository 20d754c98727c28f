"""Time as an argument: whatever waits takes a Clock.

`now()` makes stored stamps, `monotonic()` measures durations, `sleep()` waits. Only this module may ask the
operating system for the time.
"""

import asyncio
import heapq
import itertools
import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """The time that objects are stamped with and that waits are measured in."""

    def now(self) -> float:
        """Unix seconds on this clock, for stored stamps."""

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock; zero or less yields once."""


class LoopClock:
    """Real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class ClockEpoch:
    """What several processes need to share one clock.

    At the system time `real` it showed `shown`, and it runs `speed` times as fast.
    """

    real: float
    shown: float
    speed: float

    def to_text(self) -> str:
        """The form in which a parent hands the clock to its children."""
        return f"{self.real!r},{self.shown!r},{self.speed!r}"

    @classmethod
    def from_text(cls, text: str) -> "ClockEpoch":
        """Raises ValueError unless the text is three numbers and the speed is above zero."""
        real, shown, speed = (float(part) for part in text.split(","))
        if not speed > 0:
            raise ValueError("a clock's speed is above zero")
        return cls(real, shown, speed)


class ScaledClock:
    """Real traffic, fast pauses: runs `speed` times as fast as real time.

    It is read from the monotonic clock after its start, so that a system clock that jumps moves neither
    stamps nor waits.
    """

    def __init__(self, epoch: ClockEpoch) -> None:
        self.epoch = epoch
        self._started_monotonic = time.monotonic()
        self._started_shown = epoch.shown + (time.time() - epoch.real) * epoch.speed

    def now(self) -> float:
        return self._started_shown + (time.monotonic() - self._started_monotonic) * self.epoch.speed

    def monotonic(self) -> float:
        return time.monotonic() * self.epoch.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.epoch.speed)


def start_epoch(speed: float = 1.0, shown: float | None = None) -> ClockEpoch:
    """A clock that starts now; `shown` is what it shows at first, by default the system's time."""
    real = time.time()
    return ClockEpoch(real, real if shown is None else shown, speed)


def clock_of(text: str | None) -> Clock:
    """The clock a process was told to use (`--clock`), real time when it was told nothing. Raises ValueError."""
    return ScaledClock(ClockEpoch.from_text(text)) if text else LoopClock()


class VirtualClock:
    """Jumps from wait to wait: for tests and simulation. Nothing moves until `advance` is awaited."""

    def __init__(self, start: float = 1_767_225_600.0) -> None:
        self._now = start
        self._start = start
        self._order = itertools.count()
        self._waits: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now - self._start

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waits, (self._now + seconds, next(self._order), wait))
        await wait

    async def advance(self, seconds: float) -> None:
        """Let that much time pass, waking each wait at its own instant and letting what it woke run on."""
        end = self._now + seconds
        await self._settle()
        while self._waits and self._waits[0][0] <= end:
            self._now, _, wait = heapq.heappop(self._waits)
            if not wait.done():
                wait.set_result(None)
            await self._settle()
        self._now = end
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        # A woken coroutine may need several turns of the loop before it waits again.
        for _ in range(20):
            await asyncio.sleep(0)

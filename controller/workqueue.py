"""The queue of keys between informers and reconcilers.

A key waits in it at most once, and at most one worker has it at a time: what is added while a worker has it is
handed out again afterwards. A key that failed comes back after an exponential back-off; a key that wants to be
looked at later comes back at that instant.
"""

import asyncio
import heapq
import math
from typing import Final

from meshsim.api.meta import Key
from meshsim.kit.clock import Clock
from meshsim.kit.tasks import TaskOwner

_BACKOFF_BASE_S: Final = 0.001
_BACKOFF_MAX_S: Final = 10.0
_MOST_DOUBLINGS: Final = 32
# Event loops count in milliseconds: a shorter sleep would return at once, again and again.
_FINEST_SLEEP_S: Final = 0.001


def backoff_s(failures: int) -> float:
    """Seconds to wait after that many failures in a row: 1 ms, doubled each time, at most 10 s."""
    return min(_BACKOFF_BASE_S * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), _BACKOFF_MAX_S)


class Workqueue:
    """Keys to reconcile. Instants are the clock's."""

    def __init__(self, clock: Clock, name: str) -> None:
        self.name = name
        self.adds = 0
        self.retries = 0
        self._clock = clock
        self._waiting: asyncio.Queue[Key | None] = asyncio.Queue()
        self._dirty: set[Key] = set()
        self._in_work: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._wakes: dict[Key, float] = {}
        self._timeline: list[tuple[float, Key]] = []
        self._closed = False
        self._tasks = TaskOwner()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = math.inf

    def __len__(self) -> int:
        """How many keys could be handed out now."""
        return self._waiting.qsize()

    def __repr__(self) -> str:
        return f"<Workqueue {self.name}: {len(self)} waiting, {len(self._in_work)} in work, {len(self._wakes)} later>"

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is in work; keys for later don't count."""
        return not self._dirty and not self._in_work

    def add(self, key: Key) -> None:
        """Hand the key out as soon as a worker is free and no other has it."""
        self.adds += 1
        if key not in self._dirty:
            self._dirty.add(key)
            if key not in self._in_work:
                self._waiting.put_nowait(key)

    def add_at(self, key: Key, instant: float) -> None:
        """Add the key at that instant. A later call for the same key replaces this one."""
        if self._closed:
            return
        self._wakes[key] = instant
        heapq.heappush(self._timeline, (instant, key))
        self._arm()

    def add_after_failure(self, key: Key) -> None:
        """Add the key after the back-off that its failures in a row have earned it."""
        self.retries += 1
        self._failures[key] = self._failures.get(key, 0) + 1
        self.add_at(key, self._clock.now() + backoff_s(self._failures[key]))

    def forget(self, key: Key) -> None:
        """The key is well: its failures no longer count and it has no later instant to come back at."""
        self._failures.pop(key, None)
        self._wakes.pop(key, None)

    def failures_of(self, key: Key) -> int:
        """How often the key failed in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> Key | None:
        """The next key; no other worker gets it before `done`. None once the queue is closed."""
        key = None if self._closed else await self._waiting.get()
        if key is None:
            self._waiting.put_nowait(None)  # for the next worker
            return None
        self._dirty.discard(key)
        self._in_work.add(key)
        return key

    def done(self, key: Key) -> None:
        """The worker has finished with the key."""
        self._in_work.discard(key)
        if key in self._dirty:
            self._waiting.put_nowait(key)

    async def close(self) -> None:
        """Hand out nothing any more: every `get` returns None."""
        self._closed = True
        self._waiting.put_nowait(None)
        await self._tasks.close()

    def _arm(self) -> None:
        """Have the timer wake at the earliest instant."""
        while self._timeline and self._wakes.get(self._timeline[0][1]) != self._timeline[0][0]:
            heapq.heappop(self._timeline)
        earliest = self._timeline[0][0] if self._timeline else math.inf
        if earliest == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = earliest
        self._timer = None if earliest == math.inf else self._tasks.start(self._wake_at(earliest), f"{self.name} timer")

    async def _wake_at(self, instant: float) -> None:
        await self._clock.sleep(max(instant - self._clock.now(), _FINEST_SLEEP_S))
        now = self._clock.now()
        while self._timeline and self._timeline[0][0] <= now:
            due, key = heapq.heappop(self._timeline)
            if self._wakes.get(key) == due:
                del self._wakes[key]
                self.add(key)
        # This task is about to end: a new one takes over, even for the same instant when it woke a little early.
        self._timer, self._timer_at = None, math.inf
        self._arm()

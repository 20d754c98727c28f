"""How long work waits in a container that can do, or may use, only so much at a time. Pure; time is an argument."""

import heapq
import math
from collections import deque
from typing import Final, NamedTuple


class Limits(NamedTuple):
    """How many requests at a time, how many a second, and how many may wait; infinite where there is no limit."""

    concurrency: float = math.inf
    per_s: float = math.inf
    queue: float = math.inf


NO_LIMITS: Final = Limits()


PERIOD_S: Final = 0.1
"""Over which a CPU limit is an average, as the kernel's quotas are by default."""


class Quota:
    """A rate on average: what a period's worth can pay for is done at once, what goes beyond waits until it is paid."""

    def __init__(self, per_s: float) -> None:
        """Of a CPU limit, the cores: seconds of CPU a second."""
        self._per_s = per_s
        self._paid_until = -math.inf

    def wait_s(self, now: float, cost: float) -> float:
        """Seconds to wait after something that has just cost so much."""
        self._paid_until = max(self._paid_until, now - PERIOD_S) + cost / self._per_s
        return max(self._paid_until - now, 0.0)


class Station:
    """A queue in front of a limited number of places and a limited rate: first come, first served."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._places_free_at: list[float] = []
        self._starts: deque[float] = deque()
        self._next_start = -math.inf

    def admit(self, now: float, service_s: float) -> float | None:
        """Seconds until a request that comes now is done, None when the queue has no room for it."""
        while self._starts and self._starts[0] <= now:
            self._starts.popleft()
        all_taken = len(self._places_free_at) >= self.limits.concurrency
        start = max(now, self._next_start, self._places_free_at[0] if all_taken else -math.inf)
        if start > now:
            if len(self._starts) >= self.limits.queue:
                return None
            self._starts.append(start)
        self._next_start = start + 1.0 / self.limits.per_s
        if all_taken:
            heapq.heapreplace(self._places_free_at, start + service_s)
        elif self.limits.concurrency < math.inf:
            heapq.heappush(self._places_free_at, start + service_s)
        return start + service_s - now

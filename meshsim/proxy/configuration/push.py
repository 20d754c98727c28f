"""What of the API has reached the proxy: a change may take a moment, as a push in a real mesh does.

Publication alone waits; nothing of it is on a request's way.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from meshsim.api.lag import Lags
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import Clock


class Push:
    """Changes to the objects of one kind on their way to the proxy: each as late as the hop lags."""

    def __init__(
        self, informer: Informer, hop: str, lags: Lags, clock: Clock, on_change: Callable[[Change], None]
    ) -> None:
        self._informer = informer
        self.hop = hop
        self._lags = lags
        self._clock = clock
        self._on_change = on_change
        self._late: deque[tuple[float, Change]] = deque()
        """The changes that are under way, in their order, and when each is due."""
        self._is_any_late = asyncio.Event()
        informer.on_change(self._changed)

    async def run(self) -> None:
        """Tell of each change when it is due, for ever."""
        while True:
            await self._is_any_late.wait()
            while self._late:
                due, change = self._late[0]
                await self._clock.sleep(due - self._clock.now())
                self._late.popleft()
                self._on_change(change)
            self._is_any_late.clear()

    def _changed(self, change: Change) -> None:
        lag_s = self._lags[self.hop]
        # What there was before the proxy came is known to it at once.
        if not self._late and (lag_s <= 0 or not self._informer.synced.is_set()):
            self._on_change(change)
            return
        self._late.append((self._clock.now() + lag_s, change))
        self._is_any_late.set()

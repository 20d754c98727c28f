"""`POST /drain_listeners`, as Envoy has it."""

import asyncio
from collections.abc import Callable, Mapping


class Drain:
    """Stops taking connections; what is open goes on. `period_s` is how long a graceful drain goes on accepting."""

    def __init__(self, tell_to_close: Callable[[], None], stop_listening: Callable[[], None], period_s: float) -> None:
        self._tell_to_close = tell_to_close
        self._stop_listening = stop_listening
        self._period_s = period_s
        self.has_begun = False
        self.is_over = False
        """Nobody listens any more."""

    def begin(self, query: Mapping[str, str]) -> None:
        """At once; or with `graceful` after the period, in which every response tells its client to close.

        With `skip_exit` the listeners stay open after that, too. A graceful drain that runs is left alone.
        """
        if "graceful" not in query:
            self._end()
        elif not self.has_begun:
            self.has_begun = True
            self._tell_to_close()
            if "skip_exit" not in query:
                asyncio.get_running_loop().call_later(self._period_s, self._end)

    def _end(self) -> None:
        self.has_begun = self.is_over = True
        self._stop_listening()

"""Writes access-log lines from a thread of its own, so that a slow reader never stops the loop."""

import queue
import sys
import threading
from types import TracebackType
from typing import Final, Self

_MAX_WAITING: Final = 100_000


class LogWriter:
    """Lines for standard output. Those that come while too many wait are dropped and counted."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="access log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lines.put(None)
        self._thread.join(timeout=1.0)

    def write(self, line: str) -> None:
        """Write it soon."""
        if self._lines.qsize() < _MAX_WAITING:
            self._lines.put(line)
        else:
            self.dropped += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                sys.stdout.write(line)
                if self._lines.empty():
                    sys.stdout.flush()
            except (OSError, ValueError):
                return

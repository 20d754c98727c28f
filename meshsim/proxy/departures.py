"""Clients that leave while nothing is read from them.

A client that sends faster than its upstream takes isn't read from, and the loop notices the end of a connection only
by reading. The system knows of it at once: a second look at the same connections, for their end alone. (A client that
closes in order while the system still has bytes of it to send is gone only when those have gone: nobody knows before.)
"""

import asyncio
import contextlib
import select
from typing import Final

from meshsim.proxy.peers import Leaving

_IS_TOLD: Final = hasattr(select, "EPOLLRDHUP")
"""Elsewhere such a client is noticed when it is next read from."""


class Departures:
    """The connections that are not read from now."""

    __slots__ = ("_connections", "_loop", "_poll")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._poll: select.epoll | None = None
        self._connections: dict[int, Leaving] = {}

    @property
    def watched(self) -> int:
        """How many there are."""
        return len(self._connections)

    def watch(self, connection: Leaving, fd: int) -> None:
        """Tell it when its client leaves, once."""
        if not _IS_TOLD:
            return
        if self._poll is None:
            self._poll = select.epoll()
            self._loop.add_reader(self._poll.fileno(), self._look)
        self._connections[fd] = connection
        with contextlib.suppress(OSError):
            self._poll.register(fd, select.EPOLLRDHUP)

    def forget(self, connection: Leaving, fd: int) -> None:
        """It is read from again, or gone; another may have its number by now."""
        if self._connections.get(fd) is connection:
            del self._connections[fd]
            if self._poll is not None:
                with contextlib.suppress(OSError):
                    self._poll.unregister(fd)

    def _look(self) -> None:
        if self._poll is None:
            return
        for fd, _ in self._poll.poll(0):
            connection = self._connections.get(fd)
            if connection is not None:
                self.forget(connection, fd)
                connection.left()

    def close(self) -> None:
        """Watch nothing any more."""
        self._connections.clear()
        if self._poll is not None:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

"""One keep-alive connection of the generator: one request at a time, and what became of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from meshsim.load.reply import Reply, ReplyError, ReplyReader

_CLOSED: Final = "connection closed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request got no answer."""

    reason: str


Done = Callable[["Connection", Reply | Failure], None]
"""Told how the request on a connection ended."""


class Connection(asyncio.Protocol):
    """Sends the same request again and again, each after the answer to the last."""

    def __init__(self, request: bytes, done: Done, lost: Callable[["Connection"], None]) -> None:
        self.due_s = 0.0
        """When the request that is on the wire was due, in the loop's time."""
        self.began_s = 0.0
        """When it was put on the wire, in the loop's time."""
        self.idle_since_s = 0.0
        self._request = request
        self._done = done
        self._lost = lost
        self._reader = ReplyReader()
        self._busy = False
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """A request may be sent on it."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, due_s: float, now_s: float) -> None:
        """Put the request on the wire. The connection is idle; if it was closed meanwhile the request fails."""
        self.due_s, self.began_s, self._busy = due_s, now_s, True
        if self._transport is None or self._transport.is_closing():
            self._end(Failure(_CLOSED))
        else:
            self._transport.write(self._request)

    def give_up(self, reason: str) -> None:
        """End the connection, and the request on it as failed for that reason."""
        if self._transport is not None:
            self._transport.abort()
        self._end(Failure(reason))

    def close(self) -> None:
        """End the connection. It is idle."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self.close()
            return
        try:
            reply = self._reader.feed(data)
        except ReplyError as error:
            self.give_up(str(error))
            return
        if reply is not None:
            if not reply.keeps_alive:
                self.close()
            self._end(reply)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(self._reader.end() or Failure(_reason(error)))
        self._lost(self)

    def _end(self, outcome: Reply | Failure) -> None:
        if self._busy:
            self._busy = False
            self._done(self, outcome)


def _reason(error: Exception | None) -> str:
    return _CLOSED if error is None else describe(error)


def describe(error: Exception) -> str:
    """A failed connection in two words, the same for every time it happens."""
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return "connection reset"
        case TimeoutError():
            return "timeout"
        case OSError():
            return error.strerror or "connection failed"
        case _:
            return type(error).__name__

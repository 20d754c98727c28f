"""One connection to a host: writes a request, reads a response, serves one user at a time."""

import asyncio
from typing import Final, cast

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, UNTIL_CLOSE, ResponseFields
from meshsim.http1.grammar import STATUS_LINE
from meshsim.http1.head import PartialHead
from meshsim.http1.memo import HeadMemo, ResponseHead
from meshsim.mesh.retry import Reset
from meshsim.proxy.cluster import Host
from meshsim.proxy.peers import UpstreamUser

_MAX_RESPONSE_HEAD_BYTES: Final = 256 * 1024
_WRITE_HIGH_BYTES: Final = 64 * 1024
_MAX_INFORMATIONAL: Final = 50
"""So many 1xx responses may come before the one that counts."""


class Upstream(asyncio.Protocol):
    """The protocol of an upstream connection."""

    __slots__ = (
        "_decoder", "_head", "_heads", "_informational", "_left", "_status", "_tunnelled", "host", "idle_since",
        "is_closing", "received_bytes", "requests", "reusable", "transport", "user",
    )  # fmt: skip

    def __init__(self, host: Host, heads: HeadMemo[ResponseHead]) -> None:
        self.host = host
        self._heads = heads
        self.transport: asyncio.Transport | None = None
        self.user: UpstreamUser | None = None
        self.is_closing = False
        self.requests = 0
        self.reusable = True
        self.received_bytes = 0
        self.idle_since = 0.0
        self._head: PartialHead | None = None
        self._informational = 0
        self._left = 0
        self._status = 0  # of the response whose body is being read, 0 before its head
        self._decoder: ChunkDecoder | None = None
        self._tunnelled = False

    # The user's side.

    def begin(self, user: UpstreamUser, head: bytes) -> None:
        """Send a request's head; the body follows by `write`."""
        self.user = user
        self.requests += 1
        self.reusable = self.requests < self.host.cluster.plan.limits.max_requests_per_connection
        self.received_bytes = self._informational = 0
        self.transport.write(head)  # type: ignore[union-attr] # only connected ones are handed out

    def write(self, data: bytes) -> None:
        """Send more of the request."""
        if not self.is_closing:
            self.transport.write(data)  # type: ignore[union-attr]

    def unsent_bytes(self) -> int:
        """How much of what was written has not left yet."""
        return 0 if self.is_closing or self.transport is None else self.transport.get_write_buffer_size()

    def abandon(self) -> None:
        """The user doesn't want the response any more."""
        self.user = None
        self.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if not self.is_closing and self.transport is not None:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if not self.is_closing and self.transport is not None:
            self.transport.resume_reading()

    def close(self) -> None:
        """Close once everything is written."""
        self.is_closing = True
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.is_closing = True
        if self.transport is not None:
            self.transport.abort()

    # The loop's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)

    def connected(self) -> None:
        """The connection is up: whoever waits gets it."""
        host = self.host
        host.cluster.connections_total += 1
        if not self.is_closing:
            self._hand_on(host)
            return
        # It came up and went down before anybody could use it.
        user = host.next_user()
        if user is not None:
            user.on_reset(Reset.CONNECTION_FAILURE)

    def _hand_on(self, host: Host) -> None:
        user = host.next_user()
        if user is not None:
            user.on_connected(self)
        elif host.retired:
            self.close()
        else:
            host.idle.append(self)

    def data_received(self, data: bytes) -> None:
        user = self.user
        if user is None:
            # Nobody asked: an answer without a request is never believed.
            self.abort()
            return
        self.received_bytes += len(data)
        if self._status:
            self._take_body(user, data)
            return
        partial = self._head
        if partial is not None:
            decided = partial.add(data)
            if decided is None:
                return
            self._head = None
            data = decided
        self._take_head(user, data)

    def _take_head(self, user: UpstreamUser, data: bytes) -> None:
        try:
            head = self._heads.read(data)
        except MessageError as error:
            self._refuse(user, error.details)
            return
        if head is None:
            self._wait_or_refuse(user, data)
            return
        status, fields, body = head.status, head.fields, data[head.size :]
        if status < 200:
            self._take_informational(user, status, fields, body)
            return
        if head.closes:
            self.reusable = False
        length = 0 if user.is_head_request or status in (204, 304) else fields.length
        if 0 <= length <= len(body):
            if len(body) > length:
                # More than was announced: the surplus is nobody's answer.
                self.reusable = False
                body = body[:length]
            self.user = None
            user.on_whole(status, fields, body)
        else:
            self._begin_body(user, status, fields, length)
            if body and self.user is user:
                self._take_body(user, body)

    def _wait_or_refuse(self, user: UpstreamUser, data: bytes) -> None:
        partial = PartialHead(STATUS_LINE, _MAX_RESPONSE_HEAD_BYTES)
        if partial.add(data) is None:
            self._head = partial
        else:
            self._refuse(user)

    def _begin_body(self, user: UpstreamUser, status: int, fields: ResponseFields, length: int) -> None:
        self._status = status
        self._left = length
        if length == CHUNKED:
            self._decoder = ChunkDecoder()
        elif length == UNTIL_CLOSE:
            self.reusable = False
        user.on_response(status, fields)

    def _take_informational(self, user: UpstreamUser, status: int, fields: ResponseFields, rest: bytes) -> None:
        if status == 101:
            self._tunnelled = True
            self._status = status
            self.reusable = False
            user.on_tunnel(fields)
            if rest and self.user is user:
                user.on_data(rest)
            return
        self._informational += 1
        if self._informational > _MAX_INFORMATIONAL:
            self._refuse(user)
            return
        user.on_informational(status, fields)
        if rest and self.user is user:
            self._take_head(user, rest)

    def _take_body(self, user: UpstreamUser, data: bytes) -> None:
        if self._left >= 0 and not self._tunnelled:
            left = self._left - len(data)
            if left < 0:
                # More than was announced: the surplus is nobody's answer.
                self.reusable = False
                data = data[:left]
                left = 0
            self._left = left
            user.on_data(data)
            if left == 0 and self.user is user:
                self._finish()
                user.on_end()
        elif self._decoder is not None:
            self._take_chunks(user, self._decoder, data)
        else:
            user.on_data(data)

    def _take_chunks(self, user: UpstreamUser, decoder: ChunkDecoder, data: bytes) -> None:
        try:
            pieces = decoder.feed(data)
        except MessageError:
            self._refuse(user)
            return
        for piece in pieces:
            user.on_data(piece)
        if decoder.done and self.user is user:
            if decoder.rest:
                self.reusable = False
            self._finish()
            user.on_end()

    def _refuse(self, user: UpstreamUser, cause: str = "") -> None:
        self.user = None
        self.abort()
        user.on_reset(Reset.PROTOCOL_ERROR, cause)

    def _finish(self) -> None:
        """The response is complete; the connection is free or done with."""
        self.user = None
        self._status = 0
        self._left = 0
        self._decoder = None

    def release(self, now: float) -> None:
        """Give the connection back, when request and response are both over."""
        host = self.host
        if not self.reusable or host.retired or self.is_closing:
            self.close()
            return
        if host.waiting:
            self._hand_on(host)
        else:
            self.idle_since = now
            host.idle.append(self)

    def eof_received(self) -> bool:
        user = self.user
        if user is not None and self._status and self._left == UNTIL_CLOSE and self._decoder is None:
            self._finish()
            self.is_closing = True
            user.on_end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closing = True
        host = self.host
        host.closed()
        user, self.user = self.user, None
        if user is not None:
            began = self._head is not None or (self._status and not self._tunnelled)
            cut_short = began and exc is None
            user.on_reset(Reset.PROTOCOL_ERROR if cut_short else Reset.TERMINATION)
        elif self in host.idle:
            host.idle.remove(self)

    def pause_writing(self) -> None:
        if self.user is not None:
            self.user.on_writable(writable=False)

    def resume_writing(self) -> None:
        if self.user is not None:
            self.user.on_writable(writable=True)

"""One connection to a simulated pod: a lean HTTP/1.1 server that reads requests, drops bodies and answers.

Requests of a connection are answered one after the other, in their order. While one waits for its answer, or the
client doesn't take what is written, at most a buffer's worth of what comes next is read.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, FieldsMemo, RequestFields
from meshsim.http1.grammar import END_OF_HEAD, MAX_HEAD_BYTES, REQUEST_HEAD, fault_of

_CLOSE: Final = b"connection: close\r\n\r\n"
_KEEP_ALIVE: Final = b"connection: keep-alive\r\n\r\n"
_NOTHING: Final = b"\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ_AHEAD_BYTES: Final = 64 * 1024


class Reply(NamedTuple):
    """An answer: the head without its end, the body, and the real seconds to wait before it is sent."""

    head: bytes
    body: bytes
    delay_s: float = 0.0


Answer = Callable[[bytes], Reply]
"""The reply to a request for that target."""


class Connections:
    """What the connections of one server share, and which they are."""

    def __init__(self, answer: Answer, memo: FieldsMemo[RequestFields]) -> None:
        self.answer = answer
        self.memo = memo
        self.open: set[Connection] = set()
        self.none_open = asyncio.Event()
        self.none_open.set()
        self.ending = False
        """Every answer is its connection's last."""
        self.received_bytes = 0
        self.sent_bytes = 0

    def add(self, connection: "Connection") -> None:
        """A client connected."""
        self.open.add(connection)
        self.none_open.clear()

    def discard(self, connection: "Connection") -> None:
        """A client's connection is closed."""
        self.open.discard(connection)
        if not self.open:
            self.none_open.set()

    def close_idle(self) -> None:
        """Close the connections on which no request is in flight."""
        for connection in [connection for connection in self.open if connection.is_idle]:
            connection.close()

    def abort(self) -> None:
        """Break off every connection."""
        for connection in list(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_body_left", "_chunks", "_clogged", "_held", "_paused", "_reply_timer", "_request", "_shared",
        "_transport",
    )  # fmt: skip

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._transport: asyncio.Transport | None = None
        self._held = b""
        self._request: _Request | None = None
        self._body_left = 0
        self._chunks: ChunkDecoder | None = None
        self._reply_timer: asyncio.TimerHandle | None = None
        self._clogged = False
        self._paused = False

    @property
    def is_idle(self) -> bool:
        """No request is in flight, not even a part of one."""
        return self._request is None and not self._held

    def close(self) -> None:
        """Close it once what is written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break it off."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._shared.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._reply_timer is not None:
            self._reply_timer.cancel()
        self._transport = None
        self._shared.discard(self)

    def data_received(self, data: bytes) -> None:
        self._shared.received_bytes += len(data)
        self._held = self._held + data if self._held else data
        self._advance()

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._advance()

    def _advance(self) -> None:
        """Serve what has been read, as far as it goes."""
        try:
            while self._can_serve and self._begin_request() and self._skip_body():
                self._begin_reply()
        except MessageError as error:
            self._refuse(error)
        self._read_on()

    @property
    def _can_serve(self) -> bool:
        return (
            self._reply_timer is None
            and not self._clogged
            and self._transport is not None
            and not self._transport.is_closing()
        )

    def _begin_request(self) -> bool:
        """Whether the head of a request has been read. Raises MessageError."""
        if self._request is not None:
            return True
        head = REQUEST_HEAD.match(self._held)
        if head is None:
            if END_OF_HEAD in self._held:
                raise fault_of(self._held)
            if len(self._held) > MAX_HEAD_BYTES:
                raise MessageError(431, "http1.headers_too_large")
            return False
        fields = self._shared.memo.read(head[4])
        last = fields.close or (head[3] == b"0" and not fields.keep_alive)
        self._request = _Request(head[1], head[2], last, head[3] == b"0")
        self._held = self._held[head.end() :]
        if fields.length == CHUNKED:
            self._chunks = ChunkDecoder()
        else:
            self._body_left = fields.length
        if fields.length and not self._held and fields.first(b"expect").lower() == b"100-continue":
            self._write(_CONTINUE)
        return True

    def _skip_body(self) -> bool:
        """Whether the body of the request has been read. Raises MessageError."""
        if self._chunks is not None:
            self._chunks.feed(self._held)
            self._held = self._chunks.rest
            if not self._chunks.done:
                return False
            self._chunks = None
        elif self._body_left:
            skipped = min(self._body_left, len(self._held))
            self._body_left -= skipped
            self._held = self._held[skipped:]
        return self._body_left == 0

    def _begin_reply(self) -> None:
        request = self._request
        assert request is not None
        reply = self._shared.answer(request.target)
        if reply.delay_s > 0.0:
            loop = asyncio.get_running_loop()
            self._reply_timer = loop.call_later(reply.delay_s, self._reply_late, request, reply)
        else:
            self._send(request, reply)

    def _reply_late(self, request: "_Request", reply: Reply) -> None:
        self._reply_timer = None
        self._send(request, reply)
        self._advance()

    def _send(self, request: "_Request", reply: Reply) -> None:
        self._request = None
        if self._transport is None or self._transport.is_closing():
            return
        last = request.is_last or self._shared.ending
        ending = _CLOSE if last else _KEEP_ALIVE if request.is_http_1_0 else _NOTHING
        self._write(reply.head + ending + (b"" if request.method == b"HEAD" else reply.body))
        if last:
            self._transport.close()

    def _refuse(self, error: MessageError) -> None:
        self._write(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\n" % error.status + _CLOSE)
        self.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._shared.sent_bytes += len(data)
            self._transport.write(data)

    def _read_on(self) -> None:
        """Read no further while more is held than can be served."""
        full = len(self._held) > _READ_AHEAD_BYTES and not self._can_serve
        if self._transport is None or full == self._paused:
            return
        self._paused = full
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


class _Request(NamedTuple):
    method: bytes
    target: bytes
    is_last: bool
    is_http_1_0: bool

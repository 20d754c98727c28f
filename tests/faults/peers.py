"""The two sides of a proxy under test: an upstream that does as the path says, and clients that look closely."""

import asyncio
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, Self

from meshsim.kit.clock import LoopClock

_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_ID: Final = re.compile(rb"\r\nx-id: ([^\r]*)\r\n", re.IGNORECASE)
PIECE: Final = bytes(64 * 1024)


class Upstream:
    """A server on a port of its own, and what it saw. `executed` counts requests by their id."""

    def __init__(self, version: str = "v1", port: int = 0) -> None:
        self.version = version.encode()
        self.port = port
        self.executed: Counter[bytes] = Counter()
        self.requests = 0
        self.open: set[UpstreamConnection] = set()
        self.left_at: list[float] = []
        """When a connection ended while it was still in use, on the monotonic clock."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def listen(self) -> None:
        """Open the port, the same one again after `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: UpstreamConnection(self), "127.0.0.1", self.port, reuse_address=True, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port and every connection with a reset, as a process that is killed does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.open):
            connection.reset()


class UpstreamConnection(asyncio.Protocol):
    """Serves one request after the other."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._transport: Any = None
        self._held = b""
        self._left = 0
        self._answer: Callable[[], None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._upstream.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.open.discard(self)
        if self._tasks or self._answer is not None:
            self._upstream.left_at.append(time.monotonic())
        for task in self._tasks:
            task.cancel()

    def reset(self) -> None:
        """End with a RST."""
        _reset(self._transport)

    def data_received(self, data: bytes) -> None:
        self._upstream.received_bytes += len(data)
        if self._left:
            self._take_body(data)
            return
        self._held += data
        while b"\r\n\r\n" in self._held and self._answer is None:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            self._begin(head + b"\r\n")

    def _take_body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0 and self._answer is not None:
            answer, self._answer = self._answer, None
            answer()

    def _begin(self, head: bytes) -> None:
        self._upstream.requests += 1
        path = head.split(b" ", 2)[1]
        found, length = _ID.search(head), _LENGTH.search(head)
        id_ = found[1] if found else b""
        self._upstream.executed[id_] += 1
        behaviour = _BEHAVIOURS.get(path.partition(b"?")[0], UpstreamConnection.ok)

        def answer() -> None:
            behaviour(self, id_, path)

        self._left = int(length[1]) if length else 0
        if self._left and behaviour is not UpstreamConnection.take_nothing:
            held, self._held = self._held, b""
            self._answer = answer
            self._take_body(held)
        else:
            answer()

    # What a path asks for.

    def ok(self, id_: bytes, _: bytes) -> None:
        """An answer that names the version and the request."""
        body = self._upstream.version + b" " + id_
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    def hang(self, _: bytes, __: bytes) -> None:
        """No answer, ever."""
        self._answer = _nothing

    def take_nothing(self, _: bytes, __: bytes) -> None:
        """The request's body is not read."""
        self._answer = _nothing
        self._transport.pause_reading()

    def fin(self, _: bytes, __: bytes) -> None:
        """The connection ends in order instead of an answer."""
        self._transport.close()

    def rst(self, _: bytes, __: bytes) -> None:
        """The connection is reset instead of an answer."""
        self.reset()

    def cut(self, _: bytes, __: bytes) -> None:
        """The connection is reset in the middle of a body."""
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc")
        self._start(self._reset_soon())

    def slow(self, id_: bytes, path: bytes) -> None:
        """An answer after `?seconds`."""
        self._start(self._answer_later(id_, float(path.partition(b"?")[2] or b"1")))

    def stream(self, _: bytes, __: bytes) -> None:
        """A body that goes on for ever, a little at a time."""
        self._start(self._drip())

    def big(self, _: bytes, path: bytes) -> None:
        """A body of `?bytes`, as fast as it goes."""
        self._start(self._pour(int(path.partition(b"?")[2])))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reset_soon(self) -> None:
        await LoopClock().sleep(0.02)
        self.reset()

    async def _answer_later(self, id_: bytes, seconds: float) -> None:
        await LoopClock().sleep(seconds)
        self.ok(id_, b"")

    async def _drip(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            self._transport.write(b"3\r\nabc\r\n")
            await LoopClock().sleep(0.05)

    async def _pour(self, size: int) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while size > 0 and not self._transport.is_closing():
            await self._may_write.wait()
            piece = PIECE[:size]
            self._transport.write(piece)
            self._upstream.sent_bytes += len(piece)
            size -= len(piece)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()


def _reset(transport: Any) -> None:
    opened = transport.get_extra_info("socket")
    if opened is not None:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _nothing() -> None:
    """There is nothing to answer."""


_BEHAVIOURS: Final[dict[bytes, Callable[[UpstreamConnection, bytes, bytes], None]]] = {
    b"/hang": UpstreamConnection.hang,
    b"/take-nothing": UpstreamConnection.take_nothing,
    b"/fin": UpstreamConnection.fin,
    b"/rst": UpstreamConnection.rst,
    b"/cut": UpstreamConnection.cut,
    b"/slow": UpstreamConnection.slow,
    b"/stream": UpstreamConnection.stream,
    b"/big": UpstreamConnection.big,
}


class Client(asyncio.Protocol):
    """One connection that sends a request at a time; `lost` says whether the proxy ended it."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.lost = False
        self.was_reset = False
        self._data = bytearray()
        self._done: asyncio.Future[tuple[bytes, bytes]] | None = None

    @classmethod
    async def to(cls, target: tuple[str, int]) -> Self:
        """A new connection."""
        _, client = await asyncio.get_running_loop().create_connection(cls, *target)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.was_reset = exc is not None
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionResetError("cut"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._data[: end + 2])
        length = _LENGTH.search(head)
        if length is None or len(self._data) < end + 4 + int(length[1]):
            return
        body = bytes(self._data[end + 4 : end + 4 + int(length[1])])
        del self._data[: end + 4 + int(length[1])]
        if self._done is not None and not self._done.done():
            self._done.set_result((head, body))

    def send(
        self, path: str, id_: str = "", method: str = "GET", body: bytes = b""
    ) -> "asyncio.Future[tuple[bytes, bytes]]":
        """Send a request; what is returned becomes head and body of its response."""
        length = f"content-length: {len(body)}\r\n" if body else ""
        self._done = asyncio.get_running_loop().create_future()
        if self.lost:
            self._done.set_exception(ConnectionResetError("closed"))
        else:
            self.transport.write(f"{method} {path} HTTP/1.1\r\nhost: a\r\nx-id: {id_}\r\n{length}\r\n".encode() + body)
        return self._done

    async def ask(self, path: str, id_: str = "", method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of a request; 0 when the connection ended without a (whole) response."""
        try:
            async with asyncio.timeout(10):
                head, answer = await self.send(path, id_, method, body)
        except (ConnectionError, TimeoutError):
            return 0, b""
        return int(head.split(b" ", 2)[1]), answer

    def close(self) -> None:
        """Leave at once."""
        self.transport.abort()

    def reset(self) -> None:
        """Leave at once with a RST."""
        _reset(self.transport)

"""One client connection: reads requests one after the other, writes their responses in order."""

import asyncio
from typing import Any, Final

from meshsim.http1.chunked import ChunkDecoder
from meshsim.http1.errors import MessageError
from meshsim.http1.fields import CHUNKED, NO_FIELDS
from meshsim.http1.grammar import REQUEST_LINE, fault_of
from meshsim.http1.head import PartialHead, without_blank_lines
from meshsim.http1.target import addressed
from meshsim.mesh.request import Request
from meshsim.proxy.engine import Engine
from meshsim.proxy.exchange import Exchange
from meshsim.proxy.heads import peer_section

_WRITE_HIGH_BYTES: Final = 1024
"""What a client doesn't take is hardly kept: the loop reads up to 250 KiB of a response at once as it is."""
_PIPELINED_BYTES: Final = 64 * 1024
"""So much of further requests is read ahead."""


class Downstream(asyncio.Protocol):
    """The protocol of a client connection."""

    __slots__ = (
        "_addresses", "_decoder", "_exchange", "_fd", "_head", "_held", "_is_closing", "_is_paused", "_left",
        "_lingers", "_tunnels", "engine", "ip", "is_http10", "keeps_alive", "listener", "peer", "sent_bytes",
        "transport",
    )  # fmt: skip

    def __init__(self, engine: Engine, listener: int) -> None:
        self.engine = engine
        self.listener = listener
        self.transport: Any = None
        self.ip = b""
        self.peer = b""
        self.keeps_alive = True
        self.is_http10 = False
        self.sent_bytes = 0
        self._exchange: Exchange | None = None
        self._head: PartialHead | None = None
        self._held = b""  # what came behind the request in flight
        self._left = 0
        self._decoder: ChunkDecoder | None = None
        self._is_closing = False
        self._is_paused = False
        self._tunnels = False
        self._lingers = False
        self._fd = -1
        self._addresses: dict[str, str] = {}

    # The loop's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        engine = self.engine
        remote = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("", 0)
        self.ip = str(remote[0]).encode()
        self.peer = peer_section(self.ip)
        self._addresses = {"remote": f"{remote[0]}:{remote[1]}", "local": f"{local[0]}:{local[1]}"}
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        limit = engine.settings.max_connections
        if limit is not None and len(engine.connections) >= limit:
            engine.connections_refused += 1
            self.abort()
            return
        engine.connections.add(self)
        engine.idle_timeouts.start(self, engine.now())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._is_closing = True
        engine = self.engine
        engine.connections.discard(self)
        self._stop_waiting()
        engine.lingering.stop(self)
        if self._is_paused:
            engine.departures.forget(self, self._fd)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()
        engine.connection_closed()

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            if self._lingers:
                return
            if self._held:
                data = self._take_held() + data
            partial = self._head
            if partial is not None:
                decided = partial.add(data)
                if decided is None:
                    return
                self._head = None
                data = decided
            self._take_head(data)
        elif self._tunnels:
            exchange.received_bytes += len(data)
            exchange.write_tunnel(data)
        elif not exchange.request_done and not exchange.over:
            self._take_body(exchange, data)
        else:
            self._hold(data)

    def _hold(self, data: bytes) -> None:
        """The next request came before this one's response: it waits its turn."""
        self._held += data
        if len(self._held) > _PIPELINED_BYTES:
            self.pause()

    def _take_held(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _take_head(self, data: bytes) -> None:
        engine = self.engine
        try:
            head = engine.request_heads.read(data)
        except MessageError as error:
            self._refuse(error)
            return
        if head is None:
            self._refuse_or_wait(data)
            return
        self._stop_waiting()
        target, fields = head.target, head.fields
        self.is_http10 = head.is_http10
        self.keeps_alive = not (fields.close or engine.tells_to_close)
        if self.is_http10:
            if not engine.settings.accepts_http10:
                self._refuse(MessageError(426, "low_version"))
                return
            if fields.length == CHUNKED:
                self._refuse(MessageError(400, "http1.codec_error"))
                return
            self.keeps_alive = self.keeps_alive and fields.keep_alive
            if fields.upgrade:
                fields = fields.without_upgrade()
        self.sent_bytes = 0
        if not head.is_usual:
            try:
                target, fields = addressed(head.method, target, fields)
            except MessageError as error:
                self._refuse(error)
                return
            if head.method == b"CONNECT":
                self.keeps_alive = False
        target = engine.snapshot.normalise(target)
        request = Request(head.method, target, fields.host or b"", fields, b"http", self.ip)
        exchange = Exchange(engine, self, request, fields, head.size)
        self._exchange = exchange
        self._begin(exchange, data[head.size :])

    def _begin(self, exchange: Exchange, rest: bytes) -> None:
        """Start an exchange; `rest` is what came behind its head."""
        length = exchange.fields.length
        if exchange.request.target[:1] != b"/":
            self._reject(exchange)
        elif length:
            self._left = length
            if length == CHUNKED:
                self._decoder = ChunkDecoder()
            exchange.start()
            if rest and not exchange.over:
                self._take_body(exchange, rest)
        else:
            if rest:
                self._hold(rest)
            exchange.start()

    @staticmethod
    def _reject(exchange: Exchange) -> None:
        """OPTIONS of everything, and CONNECT: for no route."""
        if exchange.request.target == b"*":
            exchange.reject(404, "", "absolute_path_rejected")
        else:
            exchange.reject(404, "NR", "route_not_found")

    def _take_body(self, exchange: Exchange, data: bytes) -> None:
        exchange.received_bytes += len(data)
        decoder = self._decoder
        if decoder is not None:
            try:
                pieces = decoder.feed(data)
            except MessageError as error:
                exchange.refuse_body(error)
                return
            for piece in pieces:
                exchange.on_body(piece)
            if decoder.done:
                self._body_complete(exchange, decoder.rest)
            return
        if len(data) <= self._left:
            self._left -= len(data)
            exchange.on_body(data)
            rest = b""
        else:
            exchange.on_body(data[: self._left])
            rest = data[self._left :]
            self._left = 0
        if not self._left:
            self._body_complete(exchange, rest)

    def _body_complete(self, exchange: Exchange, rest: bytes) -> None:
        if rest:
            self._hold(rest)
        exchange.on_request_end()

    def _refuse_or_wait(self, data: bytes) -> None:
        """A head that didn't match: more of it may come, or it is wrong."""
        rest = without_blank_lines(data)
        if len(rest) < len(data):
            if rest:
                self._take_head(rest)
            return
        partial = PartialHead(REQUEST_LINE, self.engine.settings.max_head_bytes)
        if partial.add(data) is not None:
            too_long = MessageError(431, "http1.headers_too_large")
            self._refuse(too_long if partial.is_too_long else fault_of(data))
            return
        self._head = partial
        headers = self.engine.header_timeouts
        if headers is not None and not headers.has(self):
            self.engine.idle_timeouts.stop(self)
            headers.start(self, self.engine.now())

    def _refuse(self, error: MessageError) -> None:
        """Answer a message that cannot be believed and close: where the next one starts nobody knows."""
        self._stop_waiting()
        self.engine.refused(error)
        exchange = Exchange(self.engine, self, Request(b"", b"", b"", NO_FIELDS), NO_FIELDS, 0)
        # What is still unread may be a part of it.
        exchange.request_done = False
        self._exchange = exchange
        self.sent_bytes = 0
        exchange.refuse(error)

    # The exchange's side.

    def send(self, data: bytes) -> None:
        """Write a part of the response."""
        self.sent_bytes += len(data)
        self.transport.write(data)

    def pause(self) -> None:
        """Take no more from the client for now."""
        if not self._is_paused and not self._is_closing:
            self._is_paused = True
            self.transport.pause_reading()
            if not self._tunnels:
                if self._fd < 0:
                    self._fd = self.transport.get_extra_info("socket").fileno()
                self.engine.departures.watch(self, self._fd)

    def resume(self) -> None:
        """Take more again."""
        if self._is_paused and not self._is_closing and len(self._held) <= _PIPELINED_BYTES:
            self._is_paused = False
            self.engine.departures.forget(self, self._fd)
            self.transport.resume_reading()

    def left(self) -> None:
        """The client went away with bytes on their way that nobody would read."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection: the client sees that the response is not whole."""
        self._is_closing = True
        self.transport.abort()

    def become_tunnel(self) -> None:
        """Bytes pass as they are from now on."""
        self._tunnels = True
        if self._held and self._exchange is not None:
            self._exchange.write_tunnel(self._take_held())
        self.resume()

    def exchange_over(self) -> None:
        """The response is written: go on with the next request, or close."""
        exchange, self._exchange = self._exchange, None
        self._decoder = None
        if self._is_closing:
            return
        if not self.keeps_alive or self._tunnels:
            if exchange is not None and exchange.request_done and not self._held:
                self.close()
            else:
                self._linger()
            return
        if self._held:
            # On the loop's next turn, so that a long pipeline doesn't nest.
            self.engine.loop.call_soon(self._next_request)
            return
        self._wait_for_request()

    def _next_request(self) -> None:
        if not self._is_idle() or self._is_closing or not self._held:
            return
        data = self._take_held()
        self.resume()
        self._take_head(data)
        if self._is_idle() and not self._lingers:
            self.engine.idle_timeouts.stop(self)
            self._wait_for_request()

    def _is_idle(self) -> bool:
        return self._exchange is None

    def _wait_for_request(self) -> None:
        engine = self.engine
        engine.idle_timeouts.start(self, engine.now())
        if self._is_paused:
            self.resume()

    def _stop_waiting(self) -> None:
        engine = self.engine
        engine.idle_timeouts.stop(self)
        if engine.header_timeouts is not None:
            engine.header_timeouts.stop(self)

    def _linger(self) -> None:
        """Close: after what is written has left, and without a reset that would take it from the client."""
        self._lingers = True
        self._held = b""
        self._head = None
        if self._is_closing:
            return
        self.resume()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.engine.lingering.start(self, self.engine.now())

    def close(self) -> None:
        """Close now."""
        self._is_closing = True
        self.transport.close()

    def expire(self) -> None:
        """It waited too long: cut a head that doesn't come, close an idle connection."""
        if self._head is not None and not self._lingers:
            self._refuse(MessageError(408, "request_header_timeout", flags=""))
        else:
            self.close()

    def drain(self) -> None:
        """Close if no exchange is in flight; else after it."""
        if self._exchange is None:
            self.close()
        else:
            self.keeps_alive = False

    def address(self, name: str) -> str | None:
        """An address of the connection, by its command operator's name."""
        which = "remote" if "REMOTE" in name else "local"
        if not name.startswith("DOWNSTREAM_") or "ADDRESS" not in name:
            return None
        address = self._addresses[which]
        return address.rpartition(":")[0] if name.endswith("WITHOUT_PORT") else address

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.pause_response()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.resume_response()

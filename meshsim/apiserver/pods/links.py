"""Connections that begin as a request and go on as frames: in the messages of a WebSocket, or upgraded to SPDY."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from meshsim.apiserver import refusals
from meshsim.apiserver.pods.spdy import SpdyConnection
from meshsim.kit.clock import LoopClock

SPDY: Final = "SPDY/3.1"
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_LINGER_S: Final = 5.0
_BEAT_S: Final = 5.0
_PROTOCOL_HEADER: Final = "X-Stream-Protocol-Version"
_WEBSOCKET_HEADER: Final = "Sec-WebSocket-Protocol"


class Link(Protocol):
    """Carries bytes between the client and this end."""

    @property
    def answer(self) -> web.StreamResponse:
        """What the request's handler returns in the end."""

    async def receive(self) -> bytes:
        """What came next; empty once the client is gone."""

    async def send(self, data: bytes) -> None:
        """Send it, waiting while the client doesn't read. Raises ConnectionError."""

    async def ping(self) -> None:
        """Say that this end is there. Raises ConnectionError when the other isn't."""

    async def close(self) -> None:
        """End it, after what was sent."""


class WebSocketLink:
    """Frames in the messages of a WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.answer = socket

    @classmethod
    async def open(cls, request: web.Request, protocols: Sequence[str]) -> "WebSocketLink":
        """Answer the request. Raises ApiError."""
        _common_protocol(request, _WEBSOCKET_HEADER, protocols)
        socket = web.WebSocketResponse(protocols=protocols, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        if not socket.can_prepare(request):
            raise refusals.bad_request("the request is no proper WebSocket handshake")
        await socket.prepare(request)
        return cls(socket)

    async def receive(self) -> bytes:
        async for each in self.answer:
            if each.type is WSMsgType.BINARY and each.data:
                return bytes(each.data)
        return b""

    async def send(self, data: bytes) -> None:
        await self.answer.send_bytes(data)

    async def ping(self) -> None:
        await self.answer.ping()

    async def close(self) -> None:
        await self.answer.close()


class UpgradedLink:
    """The bare connection of a request that was upgraded."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.answer = _Answered()

    @classmethod
    async def open(cls, request: web.Request, protocols: Sequence[str]) -> "UpgradedLink":
        """Answer the request and take its connection over. Raises ApiError."""
        common = _common_protocol(request, _PROTOCOL_HEADER, protocols)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        reader = asyncio.StreamReader(_CHUNK_BYTES)
        protocol = _TakenOver(reader, request.protocol)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        head = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {SPDY}")
        writer.write("\r\n".join((*head, f"{_PROTOCOL_HEADER}: {common}", "", "")).encode())
        return cls(reader, writer)

    async def receive(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK_BYTES)
        except OSError:
            return b""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ping(self) -> None:
        await self.send(SpdyConnection.ping())

    async def close(self) -> None:
        # A connection that is closed with something unread is reset, and what is on its way to the client is lost:
        # the client, which knows that all is said, ends it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                while await self.receive():
                    pass
        self._writer.close()


class _TakenOver(asyncio.StreamReaderProtocol):
    """Reads what the server no longer does, and tells it of the end."""

    def __init__(self, reader: asyncio.StreamReader, before: asyncio.Protocol) -> None:
        super().__init__(reader)
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._before.connection_lost(exc)


class _Answered(web.StreamResponse):
    """Stands for an answer that has been given already."""

    async def prepare(self, request: web.BaseRequest) -> None:  # noqa: ARG002 - aiohttp's signature
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is to be added."""


async def beat(*pings: Callable[[], Awaitable[None]]) -> None:
    """Until one of these fails: who has gone is not heard of while what it sent before is still waiting."""
    clock = LoopClock()
    with contextlib.suppress(ConnectionError):
        while True:
            await clock.sleep(_BEAT_S)
            for ping in pings:
                await ping()


def check_upgrade(request: web.Request, over_websocket: Sequence[str], over_spdy: Sequence[str]) -> None:
    """Raises ApiError for a request that neither kind of link can be opened for."""
    if is_spdy(request):
        _common_protocol(request, _PROTOCOL_HEADER, over_spdy)
    elif is_websocket(request):
        _common_protocol(request, _WEBSOCKET_HEADER, over_websocket)
    else:
        raise refusals.bad_request("Upgrade request required")


def is_spdy(request: web.Request) -> bool:
    """Whether a request wants its connection upgraded to SPDY."""
    upgrades = "upgrade" in request.headers.get("Connection", "").lower()
    return upgrades and request.headers.get("Upgrade", "").lower() == SPDY.lower()


def is_websocket(request: web.Request) -> bool:
    """Whether a request wants a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _common_protocol(request: web.Request, header: str, known: Sequence[str]) -> str:
    """The first of the client's protocols that is known here. Raises ApiError."""
    asked = [name.strip() for value in request.headers.getall(header, []) for name in value.split(",")]
    common = next((each for each in asked if each in known), None)
    if common is None:
        supported = f"client supports [{' '.join(asked)}], server accepts [{' '.join(known)}]"
        raise refusals.no_common_protocol(f"unable to upgrade: unable to negotiate protocol: {supported}")
    return common

"""Forwarding a client's connections to a pod's ports: kubectl's port-forward, SPDY inside a WebSocket.

For each connection the client opens two streams under one request id: one for the data, one by which it is told
what went wrong.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from aiohttp import WSMsgType, web

from meshsim.apiserver.spdy import Closed, Data, Event, Opened, Ping, SpdyConnection, SpdyError
from meshsim.kit.tasks import TaskOwner

PROTOCOL: Final = "SPDY/3.1+portforward.k8s.io"
_CHUNK_BYTES: Final = 32 * 1024
_WAITING_CHUNKS: Final = 64
_CONNECT_S: Final = 5.0
_END: Final = b""


@dataclass(slots=True)
class _Forward:
    """One connection: its two streams, and what waits to go to the pod."""

    port: int
    data: int = 0
    error: int = 0
    waiting: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(_WAITING_CHUNKS))


async def forward_ports(request: web.Request, pod_ip: str) -> web.WebSocketResponse:
    """Serve a client's connections to the pod until it goes."""
    socket = web.WebSocketResponse(protocols=[PROTOCOL], max_msg_size=1 << 24)
    await socket.prepare(request)
    await _PortForward(socket, pod_ip).run()
    return socket


class _PortForward:
    def __init__(self, socket: web.WebSocketResponse, pod_ip: str) -> None:
        self._socket = socket
        self._pod_ip = pod_ip
        self._spdy = SpdyConnection()
        self._by_request: dict[str, _Forward] = {}
        self._by_stream: dict[int, _Forward] = {}

    async def run(self) -> None:
        async with TaskOwner(on_failure=lambda _name, _error: None) as tasks:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    continue
                try:
                    for event in self._spdy.receive(message.data):
                        await self._handle(event, tasks)
                except SpdyError:
                    break
        await self._socket.close()

    async def _handle(self, event: Event, tasks: TaskOwner) -> None:
        match event:
            case Opened(stream, headers):
                await self._open(stream, headers, tasks)
            case Data(stream, data) if stream in self._by_stream:
                # A pod that doesn't read holds the client's other connections back, too: one socket carries all.
                await self._by_stream[stream].waiting.put(data)
            case Closed(stream) if stream in self._by_stream:
                await self._by_stream[stream].waiting.put(_END)
            case Ping(reply):
                await self._send(reply)

    async def _open(self, stream: int, headers: dict[str, str], tasks: TaskOwner) -> None:
        port = headers.get("port", "")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            await self._send(self._spdy.reset(stream))
            return
        await self._send(self._spdy.reply(stream))
        forward = self._by_request.setdefault(headers.get("requestid", ""), _Forward(int(port)))
        if headers.get("streamtype") == "error":
            forward.error = stream
        else:
            forward.data = stream
            self._by_stream[stream] = forward
        if forward.data and forward.error:
            del self._by_request[headers.get("requestid", "")]
            tasks.start(self._serve(forward), f"port-forward {self._pod_ip}:{port}")

    async def _serve(self, forward: _Forward) -> None:
        try:
            async with asyncio.timeout(_CONNECT_S):
                reader, writer = await asyncio.open_connection(self._pod_ip, forward.port)
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no answer in time"
            await self._send(self._spdy.data(forward.error, f"cannot reach port {forward.port}: {reason}".encode()))
            await self._finish(forward)
            return
        async with TaskOwner(on_failure=lambda _name, _error: None) as tasks:
            tasks.start(_feed(forward, writer), "port-forward: to the pod")
            with contextlib.suppress(OSError):
                while data := await reader.read(_CHUNK_BYTES):
                    await self._send(self._spdy.data(forward.data, data))
        writer.close()
        await self._finish(forward)

    async def _finish(self, forward: _Forward) -> None:
        self._by_stream.pop(forward.data, None)
        await self._send(self._spdy.close(forward.data) + self._spdy.close(forward.error))

    async def _send(self, frames: bytes) -> None:
        if not self._socket.closed:
            await self._socket.send_bytes(frames)


async def _feed(forward: _Forward, writer: asyncio.StreamWriter) -> None:
    while data := await forward.waiting.get():
        writer.write(data)
        await writer.drain()
    writer.write_eof()

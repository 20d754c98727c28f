"""Forwarding a client's connections to a pod's ports: kubectl's port-forward, SPDY bare or inside a WebSocket.

For each connection the client opens two streams under one request id: one for the data, one by which it is told
what went wrong. The node that has the pod makes the connection: its pods' addresses may be its own.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from meshsim.apiserver.pods.links import SPDY, Link, UpgradedLink, WebSocketLink, beat, check_upgrade, is_spdy
from meshsim.apiserver.pods.spdy import Closed, Data, Event, Opened, Ping, SpdyConnection, SpdyError
from meshsim.client.api import ApiError
from meshsim.kit.tasks import TaskOwner

_PROTOCOL: Final = "portforward.k8s.io"
TUNNELLED: Final = f"{SPDY}+{_PROTOCOL}"
"""The protocol of a WebSocket whose messages are SPDY."""
_WAITING_CHUNKS: Final = 64
_MAX_PENDING: Final = 256
"""Connections of which only one stream has been opened."""
_END: Final = b""

Connect = Callable[[int], AbstractAsyncContextManager[ClientWebSocketResponse]]
"""Connects to a port of the pod; an empty message says that the client has nothing more to send. Raises ApiError."""


@dataclass(slots=True)
class _Forward:
    """One connection: its two streams, and what waits to go to the pod."""

    port: int
    data: int = 0
    error: int = 0
    waiting: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(_WAITING_CHUNKS))
    life: "asyncio.Task[None] | None" = None

    def let_go(self) -> None:
        """Nothing goes to the pod any more, and nobody waits for it."""
        while not self.waiting.empty():
            self.waiting.get_nowait()


async def forward_ports(request: web.Request, connect: Connect) -> web.StreamResponse:
    """Serve a client's connections to a pod until it goes. Raises ApiError."""
    check_upgrade(request, [TUNNELLED], [_PROTOCOL])
    link: Link
    if is_spdy(request):
        link = await UpgradedLink.open(request, [_PROTOCOL])
    else:
        link = await WebSocketLink.open(request, [TUNNELLED])
    await _PortForward(link, connect).run()
    return link.answer


class _PortForward:
    def __init__(self, link: Link, connect: Connect) -> None:
        self._link = link
        self._connect = connect
        self._spdy = SpdyConnection()
        self._by_request: dict[str, _Forward] = {}
        self._by_stream: dict[int, _Forward] = {}

    async def run(self) -> None:
        """Until the client has gone or speaks nonsense."""
        async with TaskOwner(on_failure=lambda _name, _error: None) as tasks:
            ends = (
                tasks.start(self._hear(tasks), "port-forward: from the client"),
                tasks.start(beat(self._link.ping), "port-forward: heartbeat"),
            )
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await self._link.close()

    async def _hear(self, tasks: TaskOwner) -> None:
        with contextlib.suppress(SpdyError, ConnectionError):
            while data := await self._link.receive():
                for event in self._spdy.receive(data):
                    await self._handle(event, tasks)

    async def _handle(self, event: Event, tasks: TaskOwner) -> None:
        match event:
            case Opened(stream, headers):
                await self._open(stream, headers, tasks)
            case Data(stream, data) if stream in self._by_stream:
                # A pod that doesn't read holds the client's other connections back, too: one connection carries all.
                await self._by_stream[stream].waiting.put(data)
            case Closed(stream, reset=True) if stream in self._by_stream:
                life = self._by_stream[stream].life
                if life is not None:
                    life.cancel()
            case Closed(stream) if stream in self._by_stream:
                await self._by_stream[stream].waiting.put(_END)
            case Ping(reply):
                await self._link.send(reply)

    async def _open(self, stream: int, headers: dict[str, str], tasks: TaskOwner) -> None:
        port = headers.get("port", "")
        is_port = port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536
        if not is_port or len(self._by_request) >= _MAX_PENDING:
            await self._link.send(self._spdy.reset(stream))
            return
        await self._link.send(self._spdy.reply(stream))
        forward = self._by_request.setdefault(headers.get("requestid", ""), _Forward(int(port)))
        if headers.get("streamtype") == "error":
            forward.error = stream
        else:
            forward.data = stream
            self._by_stream[stream] = forward
        if forward.data and forward.error:
            del self._by_request[headers.get("requestid", "")]
            forward.life = tasks.start(self._serve(forward), f"port-forward: port {port}")

    async def _serve(self, forward: _Forward) -> None:
        """One connection, until the pod ends it or the client wants no more of it."""
        try:
            await self._carry(forward)
        finally:
            self._by_stream.pop(forward.data, None)
            forward.let_go()
            with contextlib.suppress(ConnectionError):
                await self._link.send(self._spdy.close(forward.data) + self._spdy.close(forward.error))

    async def _carry(self, forward: _Forward) -> None:
        try:
            async with self._connect(forward.port) as pod, TaskOwner(on_failure=lambda _name, _error: None) as tasks:
                tasks.start(_feed(forward, pod), "port-forward: to the pod")
                ends = (
                    tasks.start(self._tell(forward, pod), "port-forward: from the pod"),
                    tasks.start(beat(pod.ping), "port-forward: heartbeat of the node"),
                )
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except ApiError as error:
            told = f"cannot reach port {forward.port}: {error}".encode()
            await self._link.send(self._spdy.data(forward.error, told))

    async def _tell(self, forward: _Forward, pod: ClientWebSocketResponse) -> None:
        """Until the pod has said all, or has gone: the client sees its connection end."""
        async for each in pod:
            if each.type is WSMsgType.BINARY:
                await self._link.send(self._spdy.data(forward.data, each.data))


async def _feed(forward: _Forward, pod: ClientWebSocketResponse) -> None:
    while data := await forward.waiting.get():
        await pod.send_bytes(data)
    await pod.send_bytes(_END)

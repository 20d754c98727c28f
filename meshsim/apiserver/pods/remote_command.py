"""`exec` and `attach`: the client's streams, over a WebSocket or SPDY, passed on to the node that has the pod."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
from aiohttp import WSMsgType, web

from meshsim.api.channels import STDIN_CLOSED, V4, V5, WINDOW_BYTES, Channel, message
from meshsim.api.decode import Object, write_json
from meshsim.apiserver import refusals
from meshsim.apiserver.pods import links
from meshsim.apiserver.pods.links import Link, UpgradedLink, WebSocketLink, beat, is_spdy
from meshsim.apiserver.pods.spdy import Closed, Data, Opened, Ping, SpdyConnection, SpdyError
from meshsim.apiserver.requests.query import is_set
from meshsim.kit.tasks import TaskOwner

_log: Final = logging.getLogger(__name__)
_OVER_WEBSOCKET: Final = (V5, V4)
_OVER_SPDY: Final = (V4,)
_STREAMS_OPENED_WITHIN_S: Final = 30.0
_NODE_IS_GONE: Final[Object] = {
    "metadata": {},
    "status": "Failure",
    "reason": "InternalError",
    "message": "the node has gone away",
}
_BY_TYPE: Final = {
    "stdin": Channel.STDIN,
    "stdout": Channel.STDOUT,
    "stderr": Channel.STDERR,
    "error": Channel.ERROR,
    "resize": Channel.RESIZE,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What streams a client asks for."""

    stdin: bool
    stdout: bool
    stderr: bool
    terminal: bool

    @property
    def channels(self) -> set[Channel]:
        """Those that the client opens."""
        asked = {
            Channel.STDIN: self.stdin,
            Channel.STDOUT: self.stdout,
            Channel.STDERR: self.stderr,
            Channel.ERROR: True,
            Channel.RESIZE: self.terminal,
        }
        return {channel for channel, is_asked in asked.items() if is_asked}

    @property
    def of_node(self) -> list[tuple[str, str]]:
        """The same, as a node is asked."""
        asked = {"input": self.stdin, "output": self.stdout, "error": self.stderr, "tty": self.terminal}
        return [(name, "1") for name, is_asked in asked.items() if is_asked]


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """Reads it from PodExecOptions' query. Raises InvalidError."""
    stdin, stdout, stderr, terminal = (is_set(query, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise refusals.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    # On a terminal there is one stream for all that a program says.
    return Wanted(stdin, stdout, stderr and not terminal, terminal)


def check_upgrade(request: web.Request) -> None:
    """Raises ApiError for a request whose client could not be spoken with."""
    links.check_upgrade(request, _OVER_WEBSOCKET, _OVER_SPDY)


async def pass_on(request: web.Request, wanted: Wanted, node: aiohttp.ClientWebSocketResponse) -> web.StreamResponse:
    """Carry messages between the client and its program until either has gone. Raises ApiError."""
    client, window = await _accepted(request, wanted), _Window()
    try:
        async with TaskOwner(_log_failure) as tasks:
            ends = (
                tasks.start(_to_node(client, node, window), "exec: to the node"),
                tasks.start(_to_client(client, node, window), "exec: to the client"),
                tasks.start(beat(client.ping, node.ping), "exec: heartbeat"),
            )
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # What the client had started ends with it.
        await node.close()
        await client.close()
    return client.answer


class _Window:
    """How much of the input is on its way and not read yet."""

    def __init__(self) -> None:
        self._unread = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def take(self, size: int) -> None:
        """Wait until there is room for more."""
        await self._has_room.wait()
        self._add(size)

    def free(self, size: int) -> None:
        """So much has been read."""
        self._add(-size)

    def _add(self, size: int) -> None:
        self._unread += size
        (self._has_room.set if self._unread < WINDOW_BYTES else self._has_room.clear)()


async def _to_node(client: "_Client", node: aiohttp.ClientWebSocketResponse, window: _Window) -> None:
    """Until the client has gone, or the node."""
    try:
        while said := await client.receive():
            if said[0] == Channel.STDIN:
                await window.take(len(said) - 1)
            await node.send_bytes(said)
    except (ConnectionError, SpdyError):
        return


async def _to_client(client: "_Client", node: aiohttp.ClientWebSocketResponse, window: _Window) -> None:
    """Until all is told."""
    is_told = False
    try:
        async for each in node:
            if each.type is WSMsgType.TEXT:
                window.free(int(each.data))
            elif each.type is WSMsgType.BINARY and each.data:
                is_told = is_told or each.data[0] == Channel.ERROR
                await client.send(Channel(each.data[0]), each.data[1:])
        if not is_told:
            await client.send(Channel.ERROR, write_json(_NODE_IS_GONE))
    except ConnectionError:
        return


class _Client(Protocol):
    """A client, however it speaks."""

    @property
    def answer(self) -> web.StreamResponse:
        """What the request's handler returns in the end."""

    async def receive(self) -> bytes:
        """The next message from it; empty once it is gone. Raises SpdyError."""

    async def send(self, channel: Channel, data: bytes) -> None:
        """A message to it. Raises ConnectionError."""

    async def ping(self) -> None:
        """Say that we are there. Raises ConnectionError when it isn't."""

    async def close(self) -> None:
        """All is said."""


async def _accepted(request: web.Request, wanted: Wanted) -> _Client:
    if is_spdy(request):
        client = _OverSpdy(await UpgradedLink.open(request, _OVER_SPDY), wanted)
        await client.open()
        return client
    link = await WebSocketLink.open(request, _OVER_WEBSOCKET)
    # So a client learns that it is connected, before there is anything to tell.
    await link.send(message(min(wanted.channels - {Channel.STDIN}), b""))
    return _OverWebSocket(link)


class _OverWebSocket:
    """Its messages are the node's."""

    def __init__(self, link: WebSocketLink) -> None:
        self._link = link
        self.answer = link.answer

    async def receive(self) -> bytes:
        return await self._link.receive()

    async def send(self, channel: Channel, data: bytes) -> None:
        await self._link.send(message(channel, data))

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        await self._link.close()


class _OverSpdy:
    """Each channel is a stream that the client opens."""

    def __init__(self, link: Link, wanted: Wanted) -> None:
        self._link = link
        self._spdy = SpdyConnection()
        self._awaited = wanted.channels
        self._streams: dict[Channel, int] = {}
        self._channels: dict[int, Channel] = {}
        self._said: list[bytes] = []
        self.answer = link.answer

    async def open(self) -> None:
        """Wait until the client has opened its streams. Raises ConnectionError."""
        try:
            async with asyncio.timeout(_STREAMS_OPENED_WITHIN_S):
                while self._awaited:
                    await self._hear()
        except (TimeoutError, SpdyError, ConnectionError) as error:
            await self._link.close()
            raise ConnectionAbortedError("the client did not open its streams") from error

    async def receive(self) -> bytes:
        while not self._said:
            try:
                await self._hear()
            except ConnectionError:
                return b""
        return self._said.pop(0)

    async def send(self, channel: Channel, data: bytes) -> None:
        if channel in self._streams:
            await self._link.send(self._spdy.data(self._streams[channel], data))

    async def ping(self) -> None:
        await self._link.ping()

    async def close(self) -> None:
        try:
            await self._link.send(b"".join(self._spdy.close(stream) for stream in self._channels))
        except ConnectionError:
            return
        finally:
            await self._link.close()

    async def _hear(self) -> None:
        """Take in what comes next. Raises ConnectionError once the client is gone, SpdyError for nonsense."""
        data = await self._link.receive()
        if not data:
            raise ConnectionResetError("the client has gone")
        for event in self._spdy.receive(data):
            match event:
                case Opened(stream, headers):
                    await self._begin(stream, headers.get("streamtype", ""))
                case Data(stream, data) if stream in self._channels:
                    self._said.append(message(self._channels[stream], data))
                case Closed(stream) if self._channels.get(stream) is Channel.STDIN:
                    self._said.append(STDIN_CLOSED)
                case Ping(reply):
                    await self._link.send(reply)

    async def _begin(self, stream: int, kind: str) -> None:
        channel = _BY_TYPE.get(kind)
        if channel is None or channel not in self._awaited:
            await self._link.send(self._spdy.reset(stream))
            return
        self._awaited.discard(channel)
        self._streams[channel], self._channels[stream] = stream, channel
        await self._link.send(self._spdy.reply(stream))


def _log_failure(task: str, failure: Exception) -> None:
    _log.error("%s failed", task, exc_info=failure)

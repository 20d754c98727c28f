"""`/portForward/{namespace}/{pod}?port=N`: one connection to a pod's port, in the messages of a WebSocket.

An empty message says that the client has no more to send, and goes on listening. Whoever ends the connection closes.
"""

import asyncio
import contextlib
from typing import Final

from aiohttp import WSMsgType, web

from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.pods.kubelet import Kubelet
from meshsim.runtime.served.websockets import BEAT_S, beat, is_wanted, opened, refusal
from meshsim.runtime.tasks import log_failure

_CHUNK_BYTES: Final = 32 * 1024
_CONNECT_S: Final = 5.0


async def forward_port(kubelet: Kubelet, request: web.Request) -> web.StreamResponse:
    """Serve one connection until either end has gone."""
    if not is_wanted(request):
        return refusal(400, "a WebSocket is wanted")
    names, port = request.match_info, request.query.get("port", "")
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        return refusal(400, f'"{port}" is not a port')
    worker = kubelet.pod(names["namespace"], names["pod"])
    if worker is None:
        return refusal(404, f'pod "{names["pod"]}" is not here')
    try:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(worker.sandbox.ip, worker.sandbox.port(int(port)))
    except (OSError, TimeoutError) as error:
        return refusal(502, str(error) or "no answer in time")
    try:
        return await _carry(request, reader, writer)
    finally:
        # What the pod has not read by now, as nobody hears its answer, is not waited for.
        if not writer.is_closing():
            writer.transport.abort()


async def _carry(
    request: web.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> web.StreamResponse:
    socket = await opened(request)
    async with TaskOwner(log_failure) as tasks:
        ends = (
            tasks.start(_tell(socket, reader, writer), "port-forward: pod to client"),
            tasks.start(_hear(socket, writer), "port-forward: client to pod"),
            tasks.start(beat(socket, BEAT_S), "port-forward: heartbeat"),
        )
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await socket.close()
    return socket


async def _hear(socket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
    """Until the client has gone."""
    async for each in socket:
        if each.type is not WSMsgType.BINARY:
            continue
        # A pod that takes no more may still have something to say.
        with contextlib.suppress(OSError, RuntimeError):
            if each.data:
                writer.write(each.data)
                await writer.drain()
            else:
                writer.write_eof()


async def _tell(socket: web.WebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the pod says no more, or the client has gone."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            await socket.send_bytes(data)
        writer.close()

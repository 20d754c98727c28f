"""Carries a conversation with a program over a WebSocket, in Kubernetes' channels."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Final

from aiohttp import WSMsgType, web

from meshsim.api.channels import STDIN_CLOSED, V5, Channel, message
from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.conversation import CannotRunError, Conversation
from meshsim.runtime.served.websockets import beat, opened

_log: Final = logging.getLogger(__name__)
_CHUNK_BYTES: Final = 32 * 1024
_QUIET_S: Final = 0.5
"""Whoever still holds the output of a command that has ended, and says nothing for so long, is not waited for."""
_END: Final = b""


async def converse(request: web.Request, conversation: Conversation, beat_s: float) -> web.StreamResponse:
    """Carry what is said between the client and the program until either has gone."""
    try:
        socket = await opened(request, V5)
        said = asyncio.Queue[bytes]()
        async with TaskOwner(_log_failure) as tasks:
            tasks.start(_feed(socket, conversation, said), "exec: input of program")
            ends = (
                tasks.start(_hear(socket, conversation, said), "exec: client to program"),
                tasks.start(_Telling(socket, conversation).run(), "exec: program to client"),
                tasks.start(beat(socket, beat_s), "exec: heartbeat"),
            )
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await conversation.close()
    await socket.close()
    return socket


async def _hear(socket: web.WebSocketResponse, conversation: Conversation, said: "asyncio.Queue[bytes]") -> None:
    """Until the client has gone."""
    async for each in socket:
        if each.type is not WSMsgType.BINARY or not each.data:
            continue
        channel, data = each.data[0], each.data[1:]
        if each.data == STDIN_CLOSED:
            said.put_nowait(_END)
        elif channel == Channel.STDIN and data:
            said.put_nowait(data)
        elif channel == Channel.RESIZE:
            _resize(conversation, data)


async def _feed(socket: web.WebSocketResponse, conversation: Conversation, said: "asyncio.Queue[bytes]") -> None:
    """Let the program read what was said, and say how far it is."""
    with contextlib.suppress(ConnectionError):
        while data := await said.get():
            await conversation.write(data)
            await socket.send_str(str(len(data)))
        await conversation.end_input()


def _resize(conversation: Conversation, data: bytes) -> None:
    try:
        size = read_json(data)
        conversation.resize(int(size["Width"]), int(size["Height"]))
    except (FieldError, KeyError, TypeError, ValueError):
        return


@dataclass(slots=True)
class _Pump:
    """One output on its way."""

    is_waiting: bool = True
    """It is for the program to say something."""
    said: int = 0


class _Telling:
    """Tells the client what a program says, and at last how it ended."""

    def __init__(self, socket: web.WebSocketResponse, conversation: Conversation) -> None:
        self._socket = socket
        self._conversation = conversation

    async def run(self) -> None:
        """Until all is told, or the client has gone."""
        pumps = [_Pump() for _ in self._conversation.outputs]
        outputs = zip(pumps, self._conversation.outputs.items(), strict=True)
        try:
            async with TaskOwner(_log_failure) as tasks:
                flows = [
                    tasks.start(self._pass_on(pump, channel, reader), f"exec: {channel.name}")
                    for pump, (channel, reader) in outputs
                ]
                ended = await self._status()
                await _last_words(flows, pumps)
            await self._socket.send_bytes(message(Channel.ERROR, write_json(ended)))
        except ConnectionError:
            return

    async def _pass_on(self, pump: _Pump, channel: Channel, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_CHUNK_BYTES):
                pump.is_waiting = False
                await self._socket.send_bytes(message(channel, data))
                pump.is_waiting, pump.said = True, pump.said + 1
        except OSError:
            # The client has gone, or the terminal is nobody's any more.
            return

    async def _status(self) -> Object:
        try:
            return status_of(await self._conversation.wait())
        except CannotRunError as error:
            return _failure("InternalError", f"Internal error occurred: error executing command in container: {error}")


async def _last_words(flows: "list[asyncio.Task[None]]", pumps: list[_Pump]) -> None:
    """Wait for what a program said last: a slow client gets it all, but nobody else's silence is waited for."""
    while any(not flow.done() for flow in flows):
        before = [pump.said for pump in pumps]
        await asyncio.wait(flows, timeout=_QUIET_S)
        waits = [pump.is_waiting for flow, pump in zip(flows, pumps, strict=True) if not flow.done()]
        if all(waits) and before == [pump.said for pump in pumps]:
            return


def status_of(code: int) -> Object:
    """How a command ended, as the error channel says it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    details: Object = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    message = f"command terminated with non-zero exit code: exit status {code}"
    return _failure("NonZeroExitCode", message) | {"details": details}


def _failure(reason: str, message: str) -> Object:
    return {"metadata": {}, "status": "Failure", "message": message, "reason": reason}


def _log_failure(task: str, failure: Exception) -> None:
    if not isinstance(failure, ConnectionError):
        _log.error("%s failed", task, exc_info=failure)

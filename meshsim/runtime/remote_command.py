"""`/exec/{namespace}/{pod}/{container}` and `/attach/…`: programs in containers, as a kubelet serves them.

What is said goes over a WebSocket in Kubernetes' channels. A client that goes takes with it what was started for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from aiohttp import WSMsgType, web

from meshsim.api.channels import STDIN_CLOSED, V5, Channel, message
from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.kit.clock import LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.conversation import CannotRunError, Conversation, Inside, Wanted
from meshsim.runtime.kubelet import Kubelet

REFUSED: Final = "X-Refused"
"""Says why, percent-encoded, to a client that sees of a refused WebSocket the head only."""
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
_log: Final = logging.getLogger(__name__)
_CHUNK_BYTES: Final = 32 * 1024
_QUIET_S: Final = 0.5
"""Whoever still holds the output of a command that has ended, and says nothing for so long, is not waited for."""
_BEAT_S: Final = 5.0
_END: Final = b""


class RemoteCommands:
    """Serves the containers of one node. `beat_s`: how often a client that says nothing is tried."""

    def __init__(self, kubelet: Kubelet, beat_s: float = _BEAT_S) -> None:
        self._kubelet = kubelet
        self._beat_s = beat_s

    async def exec(self, request: web.Request) -> web.StreamResponse:
        """Run a command in a container."""
        inside = self._inside(request)
        if isinstance(inside, web.Response):
            return inside
        command = request.query.getall("command", [])
        if not command or "\0" in "".join(command):
            return refusal(400, "a command must be specified")
        try:
            conversation = await inside.run(command, wanted_of(request.query))
        except CannotRunError as error:
            return await _converse(request, _CannotRun(str(error)), self._beat_s)
        return await _converse(request, conversation, self._beat_s)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Join a container's own program."""
        inside = self._inside(request)
        if isinstance(inside, web.Response):
            return inside
        return await _converse(request, inside.attach(wanted_of(request.query)), self._beat_s)

    def _inside(self, request: web.Request) -> Inside | web.Response:
        if not web.WebSocketResponse(protocols=[V5]).can_prepare(request):
            return refusal(400, "a WebSocket is wanted")
        names = request.match_info
        which = f'container "{names["container"]}" of pod "{names["pod"]}"'
        container = self._kubelet.container(names["namespace"], names["pod"], names["container"])
        if container is None:
            return refusal(404, f"{which} is not here")
        if container.running is None or container.running.exit is not None:
            return refusal(400, f"{which} is not running")
        if container.running.inside is None:
            return refusal(400, f"{which} is simulated: it has no command, so there is no program to run anything in")
        return container.running.inside


def refusal(code: int, why: str) -> web.Response:
    """An answer that says no."""
    return web.Response(status=code, text=why, headers={REFUSED: quote(why)})


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """What streams a query asks for, in a kubelet's words."""
    stdin, stdout, stderr, terminal = (query.get(name) == "1" for name in ("input", "output", "error", "tty"))
    return Wanted(stdin, stdout or terminal, stderr and not terminal, terminal)


async def _converse(request: web.Request, conversation: Conversation, beat_s: float) -> web.StreamResponse:
    """Carry what is said between the client and the program until either has gone."""
    try:
        socket = web.WebSocketResponse(protocols=[V5], max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        await socket.prepare(request)
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


async def beat(socket: web.WebSocketResponse, beat_s: float) -> None:
    """Until nothing can be sent: of a machine that has gone nobody hears."""
    clock = LoopClock()
    try:
        while True:
            await clock.sleep(beat_s)
            await socket.ping()
    except ConnectionError:
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


class _CannotRun:
    """A command that ends before it begins."""

    def __init__(self, why: str) -> None:
        self._why = why
        self.outputs: dict[Channel, asyncio.StreamReader] = {}

    async def write(self, data: bytes) -> None:
        """Nobody reads it."""

    async def end_input(self) -> None:
        """Nobody reads it."""

    def resize(self, columns: int, rows: int) -> None:
        """There is no terminal."""

    async def wait(self) -> int:
        raise CannotRunError(self._why)

    async def close(self) -> None:
        """There is nothing to end."""


def _log_failure(task: str, failure: Exception) -> None:
    if not isinstance(failure, ConnectionError):
        _log.error("%s failed", task, exc_info=failure)

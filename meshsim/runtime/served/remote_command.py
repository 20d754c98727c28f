"""`/exec/{namespace}/{pod}/{container}` and `/attach/…`: programs in containers, as a kubelet serves them.

What is said goes over a WebSocket in Kubernetes' channels. A client that goes takes with it what was started for it.
"""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from meshsim.api.channels import Channel
from meshsim.runtime.containers.conversation import CannotRunError, Inside, Wanted
from meshsim.runtime.pods.kubelet import Kubelet
from meshsim.runtime.served.converse import converse
from meshsim.runtime.served.websockets import BEAT_S, is_wanted, refusal


class RemoteCommands:
    """Serves the containers of one node. `beat_s`: how often a client that says nothing is tried."""

    def __init__(self, kubelet: Kubelet, beat_s: float = BEAT_S) -> None:
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
            return await converse(request, _CannotRun(str(error)), self._beat_s)
        return await converse(request, conversation, self._beat_s)

    async def attach(self, request: web.Request) -> web.StreamResponse:
        """Join a container's own program."""
        inside = self._inside(request)
        if isinstance(inside, web.Response):
            return inside
        return await converse(request, inside.attach(wanted_of(request.query)), self._beat_s)

    def _inside(self, request: web.Request) -> Inside | web.Response:
        if not is_wanted(request):
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


def wanted_of(query: Mapping[str, str]) -> Wanted:
    """What streams a query asks for, in a kubelet's words."""
    stdin, stdout, stderr, terminal = (query.get(name) == "1" for name in ("input", "output", "error", "tty"))
    return Wanted(stdin, stdout or terminal, stderr and not terminal, terminal)


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

"""Simulated pods: each an HTTP server in the node's own process that answers as its pod's annotations say.

The CPU of a simulated pod is modelled: what each request it served costs, added up. Nothing is burnt.
"""

import asyncio
import itertools
from http import HTTPStatus
from typing import Final

from meshsim.api.core import Pod
from meshsim.api.decode import write_json
from meshsim.http1.fields import FieldsMemo, RequestFields, read_request_fields
from meshsim.kit.chance import Draw, draws
from meshsim.runtime.behaviour import Behaviour, behaviour_of
from meshsim.runtime.connection import Connection, Connections, Reply

_HEALTH_PATHS: Final = frozenset((b"/healthz", b"/readyz", b"/livez"))
_IDLE_MEMORY_BYTES: Final = 24 * 1024 * 1024
_BACKLOG: Final = 1024


class SimulatedPod:
    """The server of one pod: listens on the pod's address at every container port.

    Answers to health checks are always good and cost nothing, whatever the behaviour.
    """

    def __init__(self, pod: Pod, behaviour: Behaviour, draw: Draw, memo: FieldsMemo[RequestFields]) -> None:
        self.behaviour = behaviour
        self.requests = 0
        self.errors = 0
        self.cpu_s = 0.0
        self._draw = draw
        self._connections = Connections(self._answer, memo)
        self._servers: list[asyncio.Server] = []
        self._health_paths = _HEALTH_PATHS | _probed_paths(pod)
        about = {"version": pod.version, "pod": pod.metadata.name, "namespace": pod.metadata.namespace}
        self._body_start = write_json(about)[:-1] + b',"path":'
        self._version = _header_value(pod.version)
        self._heads: dict[int, bytes] = {}

    @property
    def memory_bytes(self) -> int:
        """The memory that a program like this would use."""
        return _IDLE_MEMORY_BYTES

    @property
    def is_listening(self) -> bool:
        """A client can connect."""
        return bool(self._servers)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections.open)

    async def listen(self, address: str, port: int) -> int:
        """Serve at that address, and return the port: a free one for 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self._connections), address, port, backlog=_BACKLOG)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    def give_up_connections(self) -> None:
        """Go on serving, but close each connection with its next answer: clients come back elsewhere."""
        self._connections.ending = True

    async def finish(self) -> None:
        """Accept nothing more, close idle connections, and wait for the requests in flight."""
        self.give_up_connections()
        for server in self._servers:
            server.close()
        self._connections.close_idle()
        await self._connections.none_open.wait()

    def kill(self) -> None:
        """Stop at once and break off what is in flight."""
        for server in self._servers:
            server.close()
        self._connections.abort()

    def _answer(self, target: bytes) -> Reply:
        behaviour, status, delay_s = self.behaviour, 200, 0.0
        if target.partition(b"?")[0] not in self._health_paths:
            self.requests += 1
            self.cpu_s += behaviour.cpu_per_request_s
            if not behaviour.is_plain:
                delay_s = behaviour.latency_s(self._draw)
                status = behaviour.status(self._draw)
                self.errors += status >= 500
        body = b"%b%b}\n" % (self._body_start, write_json(target.decode("ascii")))
        return Reply(b"%b%d\r\n" % (self._heads.get(status) or self._head(status), len(body)), body, delay_s)

    def _head(self, status: int) -> bytes:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unassigned"
        line = f"HTTP/1.1 {status} {phrase}\r\n"
        fields = f"content-type: application/json\r\nx-version: {self._version}\r\ncontent-length: "
        return self._heads.setdefault(status, (line + fields).encode("ascii"))


class SimulatedPods:
    """Makes the servers of a node's pods. With a seed, the n-th pod has the same chances in every run."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._ordinals = itertools.count()
        self._memo = FieldsMemo(read_request_fields)

    def __call__(self, pod: Pod) -> SimulatedPod:
        """The server of that pod, not yet listening. Raises BehaviourError for annotations that make no sense."""
        behaviour = behaviour_of(pod.metadata.annotations)
        return SimulatedPod(pod, behaviour, draws(self._seed, f"pod {next(self._ordinals)}"), self._memo)


def _probed_paths(pod: Pod) -> frozenset[bytes]:
    probes = (
        probe
        for container in pod.spec.containers
        for probe in (container.readiness_probe, container.liveness_probe, container.startup_probe)
        if probe is not None
    )
    return frozenset(probe.http_get.path.partition("?")[0].encode() for probe in probes if probe.http_get is not None)


def _header_value(text: str) -> str:
    """The text without what could end the header."""
    return "".join(letter for letter in text if "!" <= letter <= "~")

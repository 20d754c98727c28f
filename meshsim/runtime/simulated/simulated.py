"""Simulated containers: each an HTTP server in the node's own process that answers as its pod's annotations say.

The CPU of a simulated container is modelled: what each request it served costs, added up. Nothing is burnt.
"""

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from meshsim.api.core import Container, Pod
from meshsim.api.decode import write_json
from meshsim.http1.fields import FieldsMemo, RequestFields, read_request_fields
from meshsim.kit.chance import Draw, draws
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.runtime.containers.containers import (
    KILLED,
    Exit,
    Sandbox,
    StartRefusedError,
    Usage,
    cpu_limit,
    memory_limit,
)
from meshsim.runtime.containers.log import ContainerLog
from meshsim.runtime.containers.restarts import policy_of
from meshsim.runtime.simulated.behaviour import Behaviour, BehaviourError, behaviour_of
from meshsim.runtime.simulated.capacity import Quota, Station
from meshsim.runtime.simulated.connection import Connection, Connections, Reply

_log: Final = logging.getLogger(__name__)
_HEALTH_PATHS: Final = frozenset((b"/healthz", b"/readyz", b"/livez"))
_IDLE_MEMORY_BYTES: Final = 24 * 1024 * 1024
_BACKLOG: Final = 1024


class SimulatedRuntime:
    """Starts simulated containers. With a seed, a pod of the same name has the same chances in every run."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._seed = seed
        self._memo = FieldsMemo(read_request_fields)

    async def start(self, pod: Pod, container: Container, sandbox: Sandbox) -> "SimulatedContainer":
        """Start one. Raises StartRefusedError for annotations that make no sense."""
        try:
            behaviour = behaviour_of(pod.metadata.annotations)
        except BehaviourError as error:
            raise StartRefusedError("CreateContainerConfigError", str(error)) from None
        draw = draws(self._seed, f"container {container.name} of {pod.metadata.key}")
        started = SimulatedContainer(pod, container, behaviour, Means(self._clock, draw, self._memo))
        await started.begin([(sandbox.ip, sandbox.port(port.container_port)) for port in container.ports])
        return started


@dataclass(frozen=True, slots=True)
class Means:
    """What simulated containers need of the world."""

    clock: Clock
    draw: Draw
    memo: FieldsMemo[RequestFields]


class SimulatedContainer:
    """The server of one container: listens on the pod's address at every container port.

    Health checks cost nothing, and neither latency nor error rate touches them.
    """

    def __init__(self, pod: Pod, container: Container, behaviour: Behaviour, means: Means) -> None:
        self.behaviour = behaviour
        self.log = ContainerLog(means.clock)
        self.requests = 0
        self.errors = 0
        self.cpu_s = 0.0
        self.throttled_s = 0.0
        self._cores = cpu_limit(container)
        self._quota = Quota(self._cores)
        self._is_plain = self._is_always_at_once(behaviour)
        self._draw = means.draw
        self._clock = means.clock
        self._real = LoopClock()
        self._started_at = means.clock.now()
        self._station = Station(behaviour.limits)
        self._memory_limit_bytes = memory_limit(container)
        self._connections = Connections(self._answer, means.memo)
        self._servers: list[asyncio.Server] = []
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._tasks = TaskOwner()
        self._starting: asyncio.Task[None] | None = None
        self._is_to_end = policy_of(pod, container) != "Always"
        self._is_initializer = container in pod.spec.initializers
        self._health_paths = _HEALTH_PATHS | _probed_paths(pod)
        about = {"version": pod.version, "pod": pod.metadata.name, "namespace": pod.metadata.namespace}
        self._body_start = write_json(about)[:-1] + b',"path":'
        self._version = _header_value(pod.version)
        self._heads: dict[int, bytes] = {}

    @property
    def missing(self) -> tuple[str, ...]:
        """It reads no file."""
        return ()

    @property
    def is_listening(self) -> bool:
        """A client can connect."""
        return any(server.is_serving() for server in self._servers)

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections.open)

    async def begin(self, addresses: Sequence[tuple[str, int]]) -> None:
        """Serve at these addresses, at once or when the program would be up; one that is to end does so in time."""
        if self._is_to_end:
            self._starting = self._tasks.start(self._run_to_end(), "run of a simulated container")
        elif self.behaviour.startup_delay_s > 0.0:
            self._starting = self._tasks.start(self._listen_later(addresses), "start of a simulated container")
        else:
            await self._listen(addresses)

    async def _run_to_end(self) -> None:
        behaviour = self.behaviour
        await self._clock.sleep(behaviour.init_time_s if self._is_initializer else behaviour.run_time_s)
        self._end(Exit(0 if self._is_initializer else behaviour.exit_code))

    async def _listen_later(self, addresses: Sequence[tuple[str, int]]) -> None:
        await self._clock.sleep(self.behaviour.startup_delay_s)
        await self._listen(addresses)

    async def _listen(self, addresses: Sequence[tuple[str, int]]) -> None:
        try:
            for address, port in addresses:
                await self.listen(address, port)
                self.log.write(f"{self._version} listens on {address}:{port}\n".encode())
        except (OSError, OverflowError) as error:
            self._end(Exit(1, message=f"cannot listen: {error}"))

    async def listen(self, address: str, port: int) -> int:
        """Serve at that address too, and return the port: a free one for 0. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self._connections), address, port, backlog=_BACKLOG)
        self._servers.append(server)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    @property
    def inside(self) -> None:
        """There is no program to join."""
        return None

    @property
    def exit(self) -> Exit | None:
        return self._exit.result() if self._exit.done() else None

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def update(self, pod: Pod) -> None:
        try:
            behaviour = behaviour_of(pod.metadata.annotations)
        except BehaviourError as error:
            _log.warning("pod %s goes on as before: %s", pod.metadata.key, error)
        else:
            self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        """Behave so from the next request on."""
        if behaviour.limits != self._station.limits:
            self._station = Station(behaviour.limits)
        self.behaviour = behaviour
        self._is_plain = self._is_always_at_once(behaviour)

    def _is_always_at_once(self, behaviour: Behaviour) -> bool:
        return behaviour.is_plain and self._cores == math.inf

    async def execute(self, command: Sequence[str]) -> int:  # noqa: ARG002 - there is no program to run it in
        return 0

    def give_up_connections(self) -> None:
        """Go on serving, but close each connection with its next answer: clients come back elsewhere."""
        self._connections.ending = True

    async def stop(self) -> None:
        """Accept nothing more, close idle connections, and wait for the requests in flight."""
        self.give_up_connections()
        for server in self._servers:
            server.close()
        self._connections.close_idle()
        await self._connections.none_open.wait()
        self._end(Exit(0))

    def kill(self) -> None:
        """Stop at once and break off what is in flight."""
        self._end(Exit(KILLED))

    def usage(self) -> Usage:
        return Usage(
            self.cpu_s,
            int(self._memory_bytes()),
            self.requests,
            self.errors,
            throttled_s=self.throttled_s,
            read_bytes=0,
            written_bytes=0,
            received_bytes=self._connections.received_bytes,
            sent_bytes=self._connections.sent_bytes,
            stored_bytes=0,
        )

    def _end(self, how: Exit) -> None:
        if self._starting is not None:
            self._starting.cancel()
        for server in self._servers:
            server.close()
        self._connections.abort()
        if not self._exit.done():
            if how.message:
                self.log.write(how.message.encode() + b"\n")
            self.log.close()
            self._exit.set_result(how)

    def _answer(self, target: bytes) -> Reply:
        status, delay_s = 200, 0.0
        if target.partition(b"?")[0] in self._health_paths:
            status = 200 if self.behaviour.healthy else 503
        else:
            self.requests += 1
            if self._is_plain:
                self.cpu_s += self.behaviour.cpu_per_request_s
            else:
                status, delay_s = self._serve(self.behaviour)
                self.errors += status >= 500
        body = b"%b%b}\n" % (self._body_start, write_json(target.decode("ascii")))
        return Reply(b"%b%d\r\n" % (self._heads.get(status) or self._head(status), len(body)), body, delay_s)

    def _serve(self, behaviour: Behaviour) -> tuple[int, float]:
        """What one request costs: the status of its answer, and the seconds until then."""
        slowdown = behaviour.slowdown(self.requests, self._clock.now() - self._started_at)
        now = self._real.monotonic()
        delay_s = self._station.admit(now, behaviour.latency_s(self._draw) * slowdown)
        if delay_s is None:
            return 503, 0.0
        delay_s += self._spend(now, behaviour.cpu_per_request_s * slowdown)
        if self.requests >= behaviour.crash_after:
            self._end(Exit(1, message=f"crashed after {self.requests} requests"))
        elif self._memory_bytes() > self._memory_limit_bytes:
            self._end(Exit(KILLED, "OOMKilled"))
        return behaviour.status(self._draw), delay_s

    def _spend(self, now: float, cost_s: float) -> float:
        """Use so much CPU; returns the seconds that the container's limit holds that up."""
        self.cpu_s += cost_s
        wait_s = self._quota.wait_s(now, cost_s)
        if wait_s > 0.0:
            # At its limit it stands still for what is left of the time that this work is spread over.
            self.throttled_s += max(cost_s / self._cores - cost_s, 0.0)
        return wait_s

    def _memory_bytes(self) -> float:
        idle = self.behaviour.memory_bytes
        if idle is None:
            idle = min(_IDLE_MEMORY_BYTES, self._memory_limit_bytes / 2)
        return idle + self.behaviour.memory_per_request_bytes * self.requests

    def _head(self, status: int) -> bytes:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Unassigned"
        line = f"HTTP/1.1 {status} {phrase}\r\n"
        fields = f"content-type: application/json\r\nx-version: {self._version}\r\ncontent-length: "
        return self._heads.setdefault(status, (line + fields).encode("ascii"))


def _probed_paths(pod: Pod) -> frozenset[bytes]:
    probes = (
        probe
        for container in pod.spec.all_containers
        for probe in (container.readiness_probe, container.liveness_probe, container.startup_probe)
        if probe is not None
    )
    return frozenset(probe.http_get.path.partition("?")[0].encode() for probe in probes if probe.http_get is not None)


def _header_value(text: str) -> str:
    """The text without what could end the header."""
    return "".join(letter for letter in text if "!" <= letter <= "~")

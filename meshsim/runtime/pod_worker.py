"""The life of one pod on the node: bound, started, probed, reported, ended.

    bind → start (about a second) → serve → probe, again and again … told to end → serve on for a moment → finish
    what is in flight → delete the object

Waits run on the cluster's clock. The moment a terminating pod goes on serving is real time: it is there for the
proxies' connections, and bounded by the grace period.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from meshsim.api.core import Container, Pod, Probe
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import POD
from meshsim.client.api import Api, ApiError, ConflictError, NotFoundError
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.addresses import PORTS_ANNOTATION, ports_of, ports_to_text
from meshsim.runtime.behaviour import BehaviourError, behaviour_of
from meshsim.runtime.pod_status import ContainerState, Place, pod_status
from meshsim.runtime.probes import Verdict, attempt
from meshsim.runtime.simulated import SimulatedPod

_log: Final = logging.getLogger(__name__)
_CONTAINER_START_S: Final = 1.0
_LISTEN_AGAIN_S: Final = 10.0
_RETRY_S: Final = (0.02, 0.1, 0.5, 1.0)
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Node:
    """What the pods of a node share."""

    name: str
    api: Api
    clock: Clock
    learn: Callable[[Object], None]
    """Told every pod that a write returned."""
    has_aliases: bool = True
    drain_s: float = 2.0
    """Real seconds that a terminating pod goes on serving."""


class PodWorker:
    """Runs one pod. Tell it of every change with `update`; cancel `run` when the pod is gone."""

    def __init__(self, node: Node, obj: Object, ip: str, new_server: Callable[[Pod], SimulatedPod]) -> None:
        self.pod = decode(Pod, obj)
        self.ip = ip if node.has_aliases else _LOOPBACK
        self.server: SimulatedPod | None = None
        self.states = {container.name: _state_before(self.pod, container) for container in self.pod.spec.containers}
        self.ports = ports_of(self.pod.metadata.annotations)
        self._obj = obj
        self._node = node
        self._new_server = new_server
        self._resumed = self.pod.status.phase == "Running"
        self._changed = asyncio.Event()
        self._unreported = asyncio.Event()
        self._told_to_end = asyncio.Event()
        self.update(obj)

    def update(self, obj: Object) -> None:
        """The pod as it is now. Raises FieldError when it makes no sense."""
        self.pod = decode(Pod, obj)
        self._obj = obj
        self._changed.set()
        self._unreported.set()
        if self.pod.is_terminating:
            self._told_to_end.set()
        if self.server is not None:
            try:
                self.server.behaviour = behaviour_of(self.pod.metadata.annotations)
            except BehaviourError as error:
                _log.warning("pod %s goes on as before: %s", self.pod.metadata.key, error)

    async def run(self) -> None:
        """Live until the pod's object is deleted."""
        try:
            async with TaskOwner(_report_failure) as tasks:
                tasks.start(self._report_status(), f"status of {self.pod.metadata.key}")
                tasks.start(self._live(tasks), f"life of {self.pod.metadata.key}")
                await self._told_to_end.wait()
            await self._end()
            await self._delete_object()
        finally:
            if self.server is not None:
                self.server.kill()

    async def _live(self, tasks: TaskOwner) -> None:
        server = await self._create_server()
        startup_delay_s = 0.0 if self._resumed else server.behaviour.startup_delay_s
        if not self._resumed:
            await self._node.clock.sleep(_CONTAINER_START_S)
        if startup_delay_s == 0.0:
            await self._listen(server)
        self._note_running()
        for container in self.pod.spec.containers:
            if container.readiness_probe is not None:
                name = f"readiness of {self.pod.metadata.key}"
                tasks.start(self._probe_readiness(container, container.readiness_probe), name)
        if startup_delay_s > 0.0:
            # The container runs, its program is not up yet: probes find nobody there.
            await self._node.clock.sleep(startup_delay_s)
            await self._listen(server)
            self._note_running()

    async def _create_server(self) -> SimulatedPod:
        """Wait until the pod's annotations make sense."""
        while True:
            self._changed.clear()
            try:
                self.server = self._new_server(self.pod)
            except BehaviourError as error:
                self._note_waiting("CreateContainerConfigError", str(error))
                await self._changed.wait()
            else:
                return self.server

    async def _listen(self, server: SimulatedPod) -> None:
        """Wait until every container port listens: another program may have one of them."""
        ports = [port.container_port for container in self.pod.spec.containers for port in container.ports]
        for port in dict.fromkeys(ports):
            while (listening := await self._try_to_listen(server, port)) is None:
                await self._node.clock.sleep(_LISTEN_AGAIN_S)
            if listening != port:
                self.ports[port] = listening

    async def _try_to_listen(self, server: SimulatedPod, port: int) -> int | None:
        wanted = port if self._node.has_aliases else self.ports.pop(port, 0)
        try:
            return await server.listen(self.ip, wanted)
        except (OSError, OverflowError) as error:
            self._note_waiting("CreateContainerError", f"cannot listen on {self.ip}:{port}: {error}")
            return None

    def _note_running(self) -> None:
        """The containers run; those that nobody probes are ready with that."""
        now = self._node.clock.now()
        for container in self.pod.spec.containers:
            state = self.states[container.name]
            if state.running_since is None:
                ready = container.readiness_probe is None
                self.states[container.name] = replace(state, running_since=now, ready=ready)
        self._unreported.set()

    def _note_waiting(self, reason: str, message: str) -> None:
        for name, state in self.states.items():
            self.states[name] = replace(
                state, running_since=None, ready=False, waiting_reason=reason, waiting_message=message
            )
        self._unreported.set()

    async def _probe_readiness(self, container: Container, probe: Probe) -> None:
        verdict = Verdict(passing=self.states[container.name].ready)
        await self._node.clock.sleep(probe.initial_delay_seconds)
        while True:
            verdict = verdict.after(await attempt(probe, container, self.ip, self.ports), probe)
            if verdict.passing != self.states[container.name].ready:
                self.states[container.name] = replace(self.states[container.name], ready=verdict.passing)
                self._unreported.set()
            await self._node.clock.sleep(max(probe.period_seconds, 1))

    async def _report_status(self) -> None:
        """Write what changed, again and again until it is written."""
        failures = 0
        while True:
            await self._unreported.wait()
            self._unreported.clear()
            try:
                await self._write_binding()
                await self._write_status()
                failures = 0
            except NotFoundError:
                # The watch is about to tell that the pod is gone.
                continue
            except ApiError as error:
                _log.debug("status of %s: %s", self.pod.metadata.key, error)
                self._unreported.set()
                await LoopClock().sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1

    async def _write_binding(self) -> None:
        """Schedule the pod to this node, and say where it listens when that isn't where its spec says."""
        patch: Object = {}
        if not self.pod.spec.node_name:
            patch["spec"] = {"nodeName": self._node.name}
        if self.ports and ports_of(self.pod.metadata.annotations) != self.ports:
            patch["metadata"] = {"annotations": {PORTS_ANNOTATION: ports_to_text(self.ports)}}
        if patch:
            await self._write(patch)

    async def _write_status(self) -> None:
        running = all(state.running_since is not None for state in self.states.values())
        place = Place(_LOOPBACK, self.ip if running else "")
        status = pod_status(self.pod, self.states, place, self._node.clock.now())
        written = self._obj.get("status") or {}
        if any(written.get(name) != value for name, value in status.items()):
            await self._write({"status": status}, subresource="status")

    async def _write(self, patch: Object, subresource: str = "") -> None:
        seen = self.pod.metadata
        precondition = {"uid": seen.uid, "resourceVersion": seen.resource_version}
        patch = {**patch, "metadata": {**precondition, **patch.get("metadata", {})}}
        self._node.learn(await self._node.api.patch(POD, seen.key, patch, subresource=subresource))

    async def _end(self) -> None:
        """Let clients go elsewhere and requests finish, within the grace period."""
        grace_s = self.pod.metadata.deletion_grace_period_seconds
        if self.server is None or not self.server.is_listening or grace_s <= 0:
            return
        async with TaskOwner(_report_failure) as tasks:
            finish = tasks.start(self._finish(self.server), f"end of {self.pod.metadata.key}")
            grace = tasks.start(self._node.clock.sleep(grace_s), f"grace period of {self.pod.metadata.key}")
            await asyncio.wait((finish, grace), return_when=asyncio.FIRST_COMPLETED)

    async def _finish(self, server: SimulatedPod) -> None:
        server.give_up_connections()
        await LoopClock().sleep(self._node.drain_s)
        await server.finish()

    async def _delete_object(self) -> None:
        metadata = self.pod.metadata
        for wait_s in itertools.chain(_RETRY_S, itertools.repeat(_RETRY_S[-1])):
            try:
                await self._node.api.delete(POD, metadata.key, uid=metadata.uid, grace_s=0)
            except (NotFoundError, ConflictError):
                return
            except ApiError as error:
                _log.debug("deletion of %s: %s", metadata.key, error)
                await LoopClock().sleep(wait_s)
            else:
                return


def _state_before(pod: Pod, container: Container) -> ContainerState:
    """How the container was when a node last reported it, so that a node that restarts goes on from there."""
    for status in pod.status.container_statuses:
        running = (status.get("state") or {}).get("running")
        if status.get("name") == container.name and running:
            return ContainerState(
                running_since=from_rfc3339(running["startedAt"]),
                ready=bool(status.get("ready")),
                restarts=int(status.get("restartCount") or 0),
            )
    return ContainerState()


def _report_failure(task: str, failure: Exception) -> None:
    _log.error("%s failed", task, exc_info=failure)

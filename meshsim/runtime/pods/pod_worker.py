"""The life of one pod on the node: bound, run, reported, ended.

    bind → run its init containers, then the others → report … told to end → serve on for a moment
         → stop the containers → delete the object

Waits run on the cluster's clock. The moment a terminating pod goes on serving is real time: it is there for the
proxies' connections, and bounded by the grace period.
"""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import TERMINAL_PHASES, Pod
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import POD
from meshsim.api.lag import Lags
from meshsim.api.listening_ports import PORTS_ANNOTATION, ports_of, ports_to_text
from meshsim.client.api import Api, ApiError, ConflictError, NotFoundError
from meshsim.kit.clock import Clock, LoopClock
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import from_rfc3339
from meshsim.runtime.addresses import has_own_port
from meshsim.runtime.containers.container_state import state_before
from meshsim.runtime.containers.container_worker import ContainerWorker, Surroundings
from meshsim.runtime.containers.containers import Sandbox
from meshsim.runtime.containers.events import SCHEDULER, PodEvent, PodEvents
from meshsim.runtime.containers.running import ContainerRuntime
from meshsim.runtime.listening import listening_port
from meshsim.runtime.pods.pod_status import DEADLINE_EXCEEDED, DEADLINE_MESSAGE, Place, States, phase_of, pod_status
from meshsim.runtime.tasks import log_failure, within

_log: Final = logging.getLogger(__name__)
_RETRY_S: Final = (0.02, 0.1, 0.5, 1.0)
_LOOPBACK: Final = "127.0.0.1"


async def _loopback() -> str:
    return _LOOPBACK


@dataclass(frozen=True, slots=True)
class Node:
    """What the pods of a node share."""

    name: str
    api: Api
    clock: Clock
    runtime: ContainerRuntime
    learn: Callable[[Object], None]
    """Told every pod that a write returned."""
    lags: Lags
    events: PodEvents
    port: int = 10250
    """Where the node itself serves."""
    address: Callable[[], Awaitable[str]] = _loopback
    """The IP address at which the API server reaches it. Raises OSError while that cannot be told."""
    has_aliases: bool = True
    drain_s: float = 2.0
    """Real seconds that a terminating pod goes on serving."""


class PodWorker:
    """Runs one pod. Tell it of every change with `update`; cancel `run` when the node ends or the pod is gone."""

    def __init__(self, node: Node, obj: Object, ip: str) -> None:
        self.pod = decode(Pod, obj)
        self.sandbox = _sandbox(node, self.pod, ip)
        self._obj = obj
        self._node = node
        self._unreported = asyncio.Event()
        self._told_to_end = asyncio.Event()
        self._deadline_changed = asyncio.Event()
        self._is_overdue = False
        self._lives: dict[ContainerWorker, asyncio.Task[None]] = {}
        around = Surroundings(
            clock=node.clock,
            runtime=node.runtime,
            lags=node.lags,
            sandbox=self.sandbox,
            pod=lambda: self.pod,
            changed=self._unreported.set,
            tell=lambda event: node.events.record(self.pod, event),
        )
        self.init_containers, self.containers = (
            [ContainerWorker(each, state_before(self.pod, each), around) for each in containers]
            for containers in (self.pod.spec.init_containers, self.pod.spec.containers)
        )
        self._sidecars = [worker for worker in self.init_containers if worker.container.is_sidecar]
        self.update(obj)

    @property
    def all_containers(self) -> list[ContainerWorker]:
        """The init containers, and then the others."""
        return [*self.init_containers, *self.containers]

    def update(self, obj: Object) -> None:
        """The pod as it is now. Raises FieldError when it makes no sense."""
        before, self.pod = self.pod, decode(Pod, obj)
        if self.pod.spec.active_deadline_seconds != before.spec.active_deadline_seconds:
            self._deadline_changed.set()
        self._obj = obj
        self._unreported.set()
        if self.pod.is_terminating:
            self._told_to_end.set()
        for container in self.all_containers:
            container.update(self.pod)

    async def run(self) -> None:
        """Live until the pod's object is deleted."""
        key = self.pod.metadata.key
        try:
            async with TaskOwner(log_failure) as tasks:
                tasks.start(self._report_status(), f"status of {key}")
                tasks.start(self._live(tasks), f"containers of {key}")
                tasks.start(self._keep_deadline(), f"deadline of {key}")
                await self._told_to_end.wait()
            await within(self._node.clock, self.pod.metadata.deletion_grace_period_seconds, self._end())
            self.kill()
            await self._delete_object()
        finally:
            await asyncio.gather(*(container.leave() for container in self.all_containers))

    def kill(self) -> None:
        """End it at once."""
        for container in self.all_containers:
            container.kill()

    async def _live(self, tasks: TaskOwner) -> None:
        """Run the containers; when those that are to end have ended, sidecars are of no use any more."""
        if await self._initialize(tasks):
            lives = [self._begin(container, tasks) for container in self.containers]
            await asyncio.gather(*lives, return_exceptions=True)
        for sidecar in reversed(self._sidecars):
            await sidecar.retire()

    async def _initialize(self, tasks: TaskOwner) -> bool:
        """Run the init containers, each when the one before it has done its work; False when one has failed."""
        for container in self.init_containers:
            life = self._begin(container, tasks)
            if container in self._sidecars:
                await container.has_started()
                continue
            await asyncio.gather(life, return_exceptions=True)
            if not container.state.has_succeeded:
                return False
        return True

    def _begin(self, container: ContainerWorker, tasks: TaskOwner) -> asyncio.Task[None]:
        life = tasks.start(container.run(), f"container {container.container.name} of {self.pod.metadata.key}")
        self._lives[container] = life
        return life

    async def _keep_deadline(self) -> None:
        """End the pod once it has been active for as long as it may, which may be settled while it runs.

        A pod that has done its work is active no more.
        """
        clock, start = self._node.clock, self.pod.status.start_time
        began = from_rfc3339(start) if start else clock.now()
        while True:
            self._deadline_changed.clear()
            deadline_s = self.pod.spec.active_deadline_seconds
            if deadline_s is None:
                await self._deadline_changed.wait()
            elif (left_s := began + deadline_s - clock.now()) > 0:
                await within(clock, left_s, self._deadline_changed.wait())
            else:
                break
        if phase_of(self.pod, self._states()) not in TERMINAL_PHASES:
            await self._give_up()

    async def _give_up(self) -> None:
        """End the containers for good, those too that wait to be started, and report that it was too late for them."""
        self._node.events.record(self.pod, PodEvent("Normal", DEADLINE_EXCEEDED, DEADLINE_MESSAGE))
        await asyncio.gather(*(each.retire() for each in self.all_containers if each not in self._sidecars))
        for sidecar in reversed(self._sidecars):
            await sidecar.retire()
        for container, life in self._lives.items():
            if not container.is_running:
                life.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)
        self._is_overdue = True
        self._unreported.set()

    async def _end(self) -> None:
        """Let clients go elsewhere, then ask the containers to end: sidecars last, one after the other."""
        for container in self.all_containers:
            container.give_up_connections()
        if any(container.is_running for container in self.containers):
            await LoopClock().sleep(self._node.drain_s)
        await asyncio.gather(*(each.end() for each in self.all_containers if each not in self._sidecars))
        for sidecar in reversed(self._sidecars):
            await sidecar.end()

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
        if self.sandbox.ports and ports_of(self.pod.metadata.annotations) != self.sandbox.ports:
            patch["metadata"] = {"annotations": {PORTS_ANNOTATION: ports_to_text(self.sandbox.ports)}}
        if patch:
            await self._write(patch)
        if "spec" in patch:
            name = self.pod.metadata.key
            assigned = f"Successfully assigned {name} to {self._node.name}"
            self._node.events.record(self.pod, PodEvent("Normal", "Scheduled", assigned, component=SCHEDULER))

    async def _write_status(self) -> None:
        states = self._states()
        has_address = any(state.has_run for state in states.values()) or self.pod.status.pod_ip
        place = Place(_LOOPBACK, self.sandbox.ip if has_address else "")
        status = pod_status(self.pod, states, place, self._node.clock.now(), is_overdue=self._is_overdue)
        written = self._obj.get("status") or {}
        if any(written.get(name) != value for name, value in status.items()):
            await self._write({"status": status}, subresource="status")

    def _states(self) -> States:
        return {container.container.name: container.state for container in self.all_containers}

    async def _write(self, patch: Object, subresource: str = "") -> None:
        seen = self.pod.metadata
        precondition = {"uid": seen.uid, "resourceVersion": seen.resource_version}
        patch = {**patch, "metadata": {**precondition, **patch.get("metadata", {})}}
        self._node.learn(await self._node.api.patch(POD, seen.key, patch, subresource=subresource))

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


def _sandbox(node: Node, pod: Pod, ip: str) -> Sandbox:
    """Where the pod's containers listen: on their own ports when that can be, else on free ones."""
    is_alone = node.has_aliases and not has_own_port(pod.metadata.annotations)
    address = ip if is_alone else _LOOPBACK
    before = ports_of(pod.metadata.annotations)
    ports = (port.container_port for container in pod.spec.all_containers for port in container.ports)
    listening = {
        port: listening_port(address, before.get(port, port if is_alone else 0)) for port in dict.fromkeys(ports)
    }
    return Sandbox(address, {port: number for port, number in listening.items() if port != number})

"""The kubelet: gives every pod that is this node's, or nobody's yet, a worker, and says that the node is there."""

import asyncio
import contextlib
import logging
from typing import Final

from meshsim.api.core import TERMINAL_PHASES
from meshsim.api.decode import FieldError, Object
from meshsim.api.kinds import NODE
from meshsim.api.meta import Key
from meshsim.client.api import AlreadyExistsError, ApiError
from meshsim.client.informer import Change, Informer
from meshsim.kit.clock import LoopClock
from meshsim.kit.errors import UsageError
from meshsim.kit.tasks import TaskOwner
from meshsim.kit.timestamps import to_rfc3339
from meshsim.runtime.addresses import pod_ip
from meshsim.runtime.containers.container_worker import ContainerWorker
from meshsim.runtime.containers.containers import NODE_ROOM
from meshsim.runtime.pods.pod_worker import Node, PodWorker
from meshsim.runtime.tasks import log_failure

_log: Final = logging.getLogger(__name__)
_REGISTER_AGAIN_S: Final = 0.5


class Kubelet:
    """Runs the pods of one node."""

    def __init__(self, node: Node, pods: Informer) -> None:
        self.workers: dict[str, PodWorker] = {}
        self._node = node
        self._pods = pods
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._tasks = TaskOwner(log_failure)

    async def run(self) -> None:
        """Register the node, then run what pods there are and will be, until cancelled."""
        try:
            self._tasks.start(self._register(), "node registration")
            # Only then is every address known that a pod already has.
            await self._pods.synced.wait()
            self._pods.on_change(self._follow)
            for obj in self._pods.all():
                self._take(obj)
            await asyncio.get_running_loop().create_future()
        finally:
            await self._tasks.close()

    def pod(self, namespace: str, name: str) -> PodWorker | None:
        """The pod of this node, by name."""
        key = Key(namespace, name)
        return next((worker for worker in self.workers.values() if worker.pod.metadata.key == key), None)

    def container(self, namespace: str, pod: str, name: str) -> ContainerWorker | None:
        """The container of a pod of this node, by name."""
        worker = self.pod(namespace, pod)
        containers = () if worker is None else worker.all_containers
        return next((each for each in containers if each.container.name == name), None)

    def _follow(self, change: Change) -> None:
        uid = None if change.new is None else change.new["metadata"]["uid"]
        if change.old is not None and change.old["metadata"]["uid"] != uid:
            self._drop(change.old["metadata"]["uid"])
        if change.new is not None:
            self._take(change.new)

    def _take(self, obj: Object) -> None:
        """Start the pod, or tell its worker what changed."""
        uid = obj["metadata"]["uid"]
        try:
            if uid in self.workers:
                self.workers[uid].update(obj)
            elif self._is_mine(obj):
                self._start(uid, obj)
        except FieldError as error:
            _log.warning("pod %s is left as it is: %s", obj["metadata"]["name"], error)

    def _is_mine(self, obj: Object) -> bool:
        assigned = obj["spec"].get("nodeName") in (None, "", self._node.name)
        return assigned and (obj.get("status") or {}).get("phase") not in TERMINAL_PHASES

    def _start(self, uid: str, obj: Object) -> None:
        address = (obj.get("status") or {}).get("podIP") or pod_ip(uid, self._taken())
        worker = PodWorker(self._node, obj, address)
        self.workers[uid] = worker
        self._lives[uid] = self._tasks.start(worker.run(), f"pod {obj['metadata']['name']}")

    def _taken(self) -> set[str]:
        listed = {(obj.get("status") or {}).get("podIP") for obj in self._pods.all()}
        return {ip for ip in listed if ip} | {worker.sandbox.ip for worker in self.workers.values()}

    def _drop(self, uid: str) -> None:
        """The pod's object is gone: nothing of it may go on."""
        worker, life = self.workers.pop(uid, None), self._lives.pop(uid, None)
        if worker is not None and life is not None:
            worker.kill()
            life.cancel()

    async def _register(self) -> None:
        """Say that the node is there and ready, until the API has heard it."""
        registered_at = to_rfc3339(self._node.clock.now())
        while True:
            try:
                obj = node_object(self._node.name, await self._node.address(), self._node.port, registered_at)
                with contextlib.suppress(AlreadyExistsError):
                    await self._node.api.create(NODE, obj)
                await self._node.api.patch(
                    NODE, Key("", self._node.name), {"status": obj["status"]}, subresource="status"
                )
            except (ApiError, OSError, UsageError) as error:
                _log.debug("node %s: %s", self._node.name, error)
                await LoopClock().sleep(_REGISTER_AGAIN_S)
            else:
                return


def node_object(name: str, address: str, port: int, now: str) -> Object:
    """The Node as `kubectl get nodes` shows it: ready, with room for every pod. The API server asks it at its port."""
    room = {**NODE_ROOM, "pods": "1000"}
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.kind,
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "capacity": room,
            "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "kubelet is posting ready status",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "nodeInfo": {"kubeletVersion": "v1.32.0", "operatingSystem": "linux", "architecture": "amd64"},
        },
    }

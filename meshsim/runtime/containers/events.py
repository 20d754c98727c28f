"""What the kubelet tells of its pods: Kubernetes events, written beside the work, which waits for none of them.

The same thing told again is counted up.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from meshsim.api.core import Pod
from meshsim.api.decode import Object
from meshsim.api.kinds import EVENT, POD
from meshsim.api.meta import Key
from meshsim.client.api import AlreadyExistsError, Api, ApiError, NotFoundError
from meshsim.kit.clock import Clock
from meshsim.kit.timestamps import to_rfc3339

_log: Final = logging.getLogger(__name__)
KUBELET: Final = "kubelet"
SCHEDULER: Final = "default-scheduler"
_QUEUED: Final = 10_000
_REMEMBERED: Final = 2000


@dataclass(frozen=True, slots=True)
class PodEvent:
    """Something that happened to a container, or to the pod itself when none is named. `type` is Normal or Warning."""

    type: str
    reason: str
    message: str
    container: str = ""
    component: str = KUBELET
    """Who tells it."""


class PodEvents:
    """Writes what is recorded while `run` runs."""

    def __init__(self, api: Api, clock: Clock, node: str) -> None:
        self._api = api
        self._clock = clock
        self._node = node
        self._queue: asyncio.Queue[tuple[Pod, PodEvent, float]] = asyncio.Queue(_QUEUED)
        self._counts: OrderedDict[Key, int] = OrderedDict()

    def record(self, pod: Pod, event: PodEvent) -> None:
        """Take note of it; when too much is waiting it is forgotten."""
        if not self._queue.full():
            self._queue.put_nowait((pod, event, self._clock.now()))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            pod, event, instant = await self._queue.get()
            try:
                await self._write(event_object(pod, event, self._node, to_rfc3339(instant)))
            except ApiError as error:
                _log.debug("event %s of %s: %s", event.reason, pod.metadata.key, error)

    async def _write(self, obj: Object) -> None:
        key = Key(obj["metadata"]["namespace"], obj["metadata"]["name"])
        count = self._counts.get(key, 0)
        try:
            if count == 0:
                await self._api.create(EVENT, obj)
            else:
                await self._api.patch(EVENT, key, {"count": count + 1, "lastTimestamp": obj["lastTimestamp"]})
        except AlreadyExistsError:
            # Told by the node that ran here before.
            count = int((await self._api.get(EVENT, key)).get("count") or 1)
            await self._api.patch(EVENT, key, {"count": count + 1, "lastTimestamp": obj["lastTimestamp"]})
        except NotFoundError:
            count = 0
            await self._api.create(EVENT, obj)
        self._counts[key] = count + 1
        self._counts.move_to_end(key)
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)


def event_object(pod: Pod, event: PodEvent, node: str, now: str) -> Object:
    """The event as the kubelet writes it; its name follows from what it says, so that it is found again."""
    metadata = pod.metadata
    said = f"{metadata.uid}/{event.container}/{event.reason}/{event.message}"
    part = {"fieldPath": f"spec.containers{{{event.container}}}"} if event.container else {}
    where = {"host": node} if event.component == KUBELET else {}
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {
            "name": f"{metadata.name}.{hashlib.sha256(said.encode()).hexdigest()[:16]}",
            "namespace": metadata.namespace,
        },
        "involvedObject": {
            "apiVersion": POD.api_version,
            "kind": POD.kind,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            **part,
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": event.component, **where},
        "reportingComponent": event.component,
        "reportingInstance": where.get("host", ""),
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
